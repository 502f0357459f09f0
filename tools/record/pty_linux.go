package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// record runs a command in a pseudo terminal and returns what it showed. A command
// that fails is an error.
func record(command []string, columns, rows int) (*cast, error) {
	terminal, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open a pseudo terminal: %w", err)
	}
	defer terminal.Close() //nolint:errcheck // Nothing is written to it.
	fd := int(terminal.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		return nil, fmt.Errorf("unlock the pseudo terminal: %w", err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		return nil, fmt.Errorf("find the other end of the pseudo terminal: %w", err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns), Row: uint16(rows)}); err != nil {
		return nil, fmt.Errorf("set the size of the pseudo terminal: %w", err)
	}
	end, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the other end of the pseudo terminal: %w", err)
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdout, cmd.Stderr = end, end
	cmd.Env = append(os.Environ(), "TERM=xterm-256color")
	start := time.Now()
	err = errors.Join(cmd.Start(), end.Close())
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", command[0], err)
	}
	c := &cast{columns: columns, rows: rows}
	buffer := make([]byte, 32<<10)
	for {
		n, err := terminal.Read(buffer)
		if n > 0 {
			c.add(time.Since(start), buffer[:n])
			_, _ = os.Stdout.Write(buffer[:n])
		}
		if err != nil { // EIO: the program has closed its end
			break
		}
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w", command[0], err)
	}
	return c, nil
}
