//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package flock

import (
	"errors"
	"os"
)

// Supported says whether the operating system has these locks.
const Supported = false

// Mode is how a file is locked.
type Mode int

// Exclusive excludes all others, Shared those that are exclusive.
const (
	Exclusive Mode = iota
	Shared
)

// Try returns errors.ErrUnsupported.
func Try(*os.File, Mode) error { return errors.ErrUnsupported }

// Unlock does nothing: there is no lock.
func Unlock(*os.File) error { return nil }
