// SPDX-License-Identifier: Apache-2.0

// Steps with FastDFS clients of the Go module proxy, unmodified: native-clients CLIENT TRACKER-PORT FOLDER [FILE-ID MD5]...
//
// FOLDER is for files of the steps. The file ids were stored through S3: they are read, and their deletion is refused.
// What is left for S3 to read is printed, a line "kept FILE-ID MD5"; the last line is "ok".
package main

import (
	"bytes"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
)

const (
	eperm  = 1
	enoent = 2
)

// What all clients have. An error of a server has its status in its text, and failed says whether it is that one.
type client interface {
	uploadFile(path string) (id string, err error)
	uploadBuffer(data []byte, ext string) (id string, err error)
	download(id string, offset, count int64) ([]byte, error)
	downloadToFile(id, path string, offset, count int64) error
	remove(id string) error
	failed(err error, status int) bool
	more(folder string) // the calls that only this client has
}

func check(ok bool, what ...any) {
	if !ok {
		panic(fmt.Sprintln(what...))
	}
}

func must[T any](value T, err error) T {
	check(err == nil, err)
	return value
}

// The same bytes as native_steps.py makes.
func content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

func sum(data []byte) string {
	digest := md5.Sum(data)
	return hex.EncodeToString(digest[:])
}

func file(folder, name string, data []byte) string {
	path := filepath.Join(folder, name)
	check(os.WriteFile(path, data, 0o600) == nil, path)
	return path
}

var shape = regexp.MustCompile(`^group[12]/M00/[0-9A-F]{2}/[0-9A-F]{2}/[-_0-9A-Za-z]+\.bin$`)

// What is stored as @id is @data, whole and in pieces, in memory and in a file; then it is deleted.
func readAndRemove(c client, folder, id string, data []byte) {
	size := int64(len(data))
	check(shape.MatchString(id), "id", id)
	check(bytes.Equal(must(c.download(id, 0, 0)), data), "whole file of", size)
	to := filepath.Join(folder, "to")
	check(c.downloadToFile(id, to, 0, 0) == nil && bytes.Equal(must(os.ReadFile(to)), data), "to a file of", size)
	if size > 1000 {
		check(bytes.Equal(must(c.download(id, 100, 200)), data[100:300]), "range")
		check(bytes.Equal(must(c.download(id, size-10, 0)), data[size-10:]), "to the end")
		check(c.downloadToFile(id, to, 1000, size-1000) == nil && bytes.Equal(must(os.ReadFile(to)), data[1000:]), "range")
	}
	check(c.remove(id) == nil, "delete")
	_, err := c.download(id, 0, 0)
	check(c.failed(err, enoent), "a deleted file:", err)
	err = c.remove(id)
	check(c.failed(err, enoent), "deleted twice:", err)
}

func storedThroughS3(c client, id, md5 string) {
	check(sum(must(c.download(id, 0, 0))) == md5, id)
	err := c.remove(id)
	check(c.failed(err, eperm), "deletion of", id, err)
	check(sum(must(c.download(id, 0, 0))) == md5, id, "after its deletion was refused")
}

func main() {
	open := map[string]func(port, folder string) client{"tedcy": openTedcy, "sharabao13": openSharabao}
	folder := os.Args[3]
	c := open[os.Args[1]](os.Args[2], folder)
	for _, size := range []int{1, 5000, 300_000, 3_000_000} {
		data := content(size)
		readAndRemove(c, folder, must(c.uploadBuffer(data, "bin")), data)
		readAndRemove(c, folder, must(c.uploadFile(file(folder, "from.bin", data))), data)
	}
	c.more(folder)
	for i := 4; i+1 < len(os.Args); i += 2 {
		storedThroughS3(c, os.Args[i], os.Args[i+1])
	}
	for _, size := range []int{5000, 700_000} {
		fmt.Println("kept", must(c.uploadBuffer(content(size), "bin")), sum(content(size)))
	}
	fmt.Println("ok")
}
