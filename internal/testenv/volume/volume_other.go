//go:build !linux

package volume

import (
	"errors"
	"syscall"
)

// OwnMounts is of no use here.
func OwnMounts() *syscall.SysProcAttr { return nil }

// ownMountsAndUsers is of no use here either.
func ownMountsAndUsers() *syscall.SysProcAttr { return nil }

// Mount fails: there are no volumes of a child's own.
func Mount(string, int) error { return errors.ErrUnsupported }
