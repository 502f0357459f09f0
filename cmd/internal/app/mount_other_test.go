//go:build !linux

package app

import (
	"errors"
	"syscall"
)

func ownMounts() *syscall.SysProcAttr { return nil }

func mountVolume(string, int) error { return errors.ErrUnsupported }
