//go:build !unix

package bolt

import "os"

// keepOwner does nothing: a file has the rights of its folder.
func keepOwner(os.FileInfo, *os.File) error { return nil }
