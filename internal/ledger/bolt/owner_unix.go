//go:build unix

package bolt

import (
	"os"
	"syscall"
)

// keepOwner gives a file the owner that another one has.
func keepOwner(info os.FileInfo, f *os.File) error {
	want, ok := info.Sys().(*syscall.Stat_t)
	if !ok || int(want.Uid) == os.Geteuid() && int(want.Gid) == os.Getegid() {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
