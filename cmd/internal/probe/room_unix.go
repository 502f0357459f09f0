//go:build linux || darwin

package probe

import "syscall"

// room returns how many bytes are free for this user on a folder's volume, and its size; 0
// and 0 if that is not known.
func room(folder string) (free, size uint64) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(folder, &s); err != nil {
		return 0, 0
	}
	return s.Bavail * uint64(s.Bsize), s.Blocks * uint64(s.Bsize) //nolint:gosec // A block's size is positive.
}
