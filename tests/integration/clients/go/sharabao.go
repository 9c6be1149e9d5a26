// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"fmt"
	"strings"

	fdfs "github.com/sharabao13/fdfs_client"
)

type sharabao struct{ *fdfs.FdfsClient }

func openSharabao(port, folder string) client {
	conf := file(folder, "client.conf", []byte("connect_timeout=30\nbase_path="+folder+"\ntracker_server=127.0.0.1:"+port+"\n"))
	return sharabao{must(fdfs.NewFdfsClient(conf))}
}

func idOf(answer *fdfs.UploadFileResponse, err error) (string, error) {
	if err != nil {
		return "", err
	}
	return answer.RemoteFileId, nil
}

func (c sharabao) uploadFile(path string) (string, error) {
	return idOf(c.UploadByFilename(path))
}

func (c sharabao) uploadBuffer(data []byte, ext string) (string, error) {
	return idOf(c.UploadByBuffer(data, ext))
}

func (c sharabao) download(id string, offset, count int64) ([]byte, error) {
	answer, err := c.DownloadToBuffer(id, offset, count)
	if err != nil {
		return nil, err
	}
	return answer.Content.([]byte), nil
}

func (c sharabao) downloadToFile(id, path string, offset, count int64) error {
	_, err := c.DownloadToFile(path, id, offset, count)
	return err
}

func (c sharabao) remove(id string) error {
	return c.DeleteFile(id)
}

func (c sharabao) failed(err error, status int) bool {
	return err != nil && strings.Contains(err.Error(), fmt.Sprintf("errno [%d]", status))
}

func (c sharabao) more(folder string) {
	small := file(folder, "small.png", content(10))
	master := must(c.uploadBuffer(content(300_000), "bin"))
	slave := must(idOf(c.UploadSlaveByFilename(small, master, "_small")))
	check(slave == strings.TrimSuffix(master, ".bin")+"_small.png", "slave", slave)
	check(bytes.Equal(must(c.download(slave, 0, 0)), content(10)), "slave")
	_, err := c.UploadSlaveByFilename(small, master, "_small")
	check(c.failed(err, 17), "the same slave twice:", err) // EEXIST
	// This package sends the head of a plain upload here, without the master's name.
	_, err = c.UploadSlaveByBuffer(content(10), master, "png")
	check(err != nil, "a slave of nobody")
	check(c.DeleteFile(slave) == nil && c.DeleteFile(master) == nil, "delete")

	readAndRemove(c, folder, must(idOf(c.UploadAppenderByBuffer(content(5000), "bin"))), content(5000))
	log := file(folder, "log.bin", content(20_000))
	readAndRemove(c, folder, must(idOf(c.UploadAppenderByFilename(log))), content(20_000))
}
