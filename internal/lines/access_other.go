//go:build !darwin && !linux

package lines

// access knows nothing here.
func access(string) error { return nil }
