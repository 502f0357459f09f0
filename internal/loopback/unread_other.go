//go:build !linux

package loopback

// Unread is true where nobody can tell whether something has arrived that is not read.
func Unread(string) bool { return true }
