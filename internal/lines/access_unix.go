//go:build darwin || linux

package lines

import "syscall"

// access asks for the right to create files in a folder, which a volume that is mounted for
// reading does not give.
func access(folder string) error {
	const write, search = 2, 1 // W_OK and X_OK of access(2)
	return syscall.Access(folder, write|search)
}

// mayWrite asks for the right to write to a file that is there.
func mayWrite(path string) error {
	const write = 2
	return syscall.Access(path, write)
}
