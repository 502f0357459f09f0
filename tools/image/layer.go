package main

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"path"
	"slices"
	"strings"
	"time"
)

// user is who the program runs as, as a number, so that the kubelet can tell that it is not
// root.
const user = 65532

// file is one of the image, or a folder if its path ends in a slash.
type file struct {
	path    string
	text    []byte
	program bool
	owner   int // of files that are not root's
}

// layer is a file system that is packed.
type layer struct {
	compressed []byte
	diffID     string // digest of what is compressed
}

// newLayer packs files, and the folders above them, in the order of their paths. All have
// one time.
func newLayer(created time.Time, files []file) (layer, error) {
	for _, f := range slices.Clone(files) {
		for dir := path.Dir(strings.TrimSuffix(f.path, "/")); dir != "."; dir = path.Dir(dir) {
			above := file{path: dir + "/"}
			if !slices.ContainsFunc(files, func(f file) bool { return f.path == above.path }) {
				files = append(files, above)
			}
		}
	}
	slices.SortFunc(files, func(a, b file) int { return cmp.Compare(a.path, b.path) })
	var plain bytes.Buffer
	w := tar.NewWriter(&plain)
	for _, f := range files {
		header := &tar.Header{
			Name: f.path, Size: int64(len(f.text)), Mode: 0o644, Typeflag: tar.TypeReg,
			Uid: f.owner, Gid: f.owner, ModTime: created, Format: tar.FormatUSTAR,
		}
		if f.program {
			header.Mode = 0o755
		}
		if strings.HasSuffix(f.path, "/") {
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			return layer{}, err
		}
		if _, err := w.Write(f.text); err != nil {
			return layer{}, err
		}
	}
	if err := w.Close(); err != nil {
		return layer{}, err
	}
	var packed bytes.Buffer
	z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return layer{}, err
	}
	if _, err := z.Write(plain.Bytes()); err != nil {
		return layer{}, err
	}
	if err := z.Close(); err != nil {
		return layer{}, err
	}
	return layer{compressed: packed.Bytes(), diffID: digestOf(plain.Bytes())}, nil
}

func digestOf(text []byte) string {
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}
