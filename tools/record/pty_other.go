//go:build !linux

package main

import "errors"

func record([]string, int, int) (*cast, error) {
	return nil, errors.New("a program can be recorded on Linux only; without one, the pictures are made of -cast")
}
