// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"

	fdfs "github.com/tedcy/fdfs_client"
)

type tedcy struct{ *fdfs.Client }

func openTedcy(port, folder string) client {
	conf := file(folder, "tedcy.conf", []byte("tracker_server=127.0.0.1:"+port+"\nmaxConns=10\n"))
	return tedcy{must(fdfs.NewClientWithConfig(conf))}
}

func (c tedcy) uploadFile(path string) (string, error) {
	return c.UploadByFilename(path)
}

func (c tedcy) uploadBuffer(data []byte, ext string) (string, error) {
	return c.UploadByBuffer(data, ext)
}

func (c tedcy) download(id string, offset, count int64) ([]byte, error) {
	return c.DownloadToBuffer(id, offset, count)
}

func (c tedcy) downloadToFile(id, path string, offset, count int64) error {
	return c.DownloadToFile(id, path, offset, count)
}

func (c tedcy) remove(id string) error {
	return c.DeleteFile(id)
}

func (c tedcy) failed(err error, status int) bool {
	return err != nil && strings.Contains(err.Error(), fmt.Sprintf("recv resp status %d !=", status))
}

func (c tedcy) more(string) {
	data := content(20_000)
	id := must(c.UploadByBuffer(data, "bin"))
	own := make([]byte, 500)
	check(c.DownloadToAllocatedBuffer(id, own, 19_500, 500) == nil && bytes.Equal(own, data[19_500:]), "own buffer")
	check(c.DeleteFile(id) == nil, "delete")
	id = must(c.UploadByBuffer(nil, "bin"))
	check(len(must(c.DownloadToBuffer(id, 0, 0))) == 0, "an empty file")
	check(c.DeleteFile(id) == nil, "delete")
}
