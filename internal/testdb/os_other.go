//go:build !linux

package testdb

import "os/exec"

const nobody = 65534

// notRoot leaves it to the server to refuse root.
func notRoot(*exec.Cmd) {}

// childrenOf cannot tell here.
func childrenOf(int) []int { return nil }

func gone(int) bool { return true }

func stopped(int) bool { return true }
