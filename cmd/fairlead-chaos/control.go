package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// control is how the faulty sink, in one process, is told what to do by another:
// through files, so that it is told even if it is killed and started again.
type control struct {
	dir string
}

func (c control) sink() string  { return filepath.Join(c.dir, "changes.jsonl") }
func (c control) fault() string { return filepath.Join(c.dir, "fault") }
func (c control) death() string { return filepath.Join(c.dir, "death") }
func (c control) taste() string { return filepath.Join(c.dir, "taste") }

// setFault makes the sink fail in some way from its next write on, until it is
// set to none: "".
func (c control) setFault(k kind) error { return replaceFile(c.fault(), string(k)) }

// setDeath makes the process with the sink kill itself in its next write.
func (c control) setDeath(k kind) error { return replaceFile(c.death(), string(k)) }

// setPicky makes the sink refuse some objects, beside any other fault, until it is
// told to take all again.
func (c control) setPicky(picky bool) error {
	if !picky {
		return remove(c.taste())
	}
	return replaceFile(c.taste(), "picky")
}

// readPicky reports whether the sink is to refuse some objects.
func (c control) readPicky() bool {
	_, err := os.Stat(c.taste())
	return err == nil
}

// clearDeath takes that back, if it has not happened.
func (c control) clearDeath() error { return remove(c.death()) }

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control the sink: %w", err)
	}
	return nil
}

// readFault returns how the sink is to fail now, "" if it is not.
func (c control) readFault() (kind, error) {
	text, err := os.ReadFile(c.fault())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("control the sink: %w", err)
	}
	return kind(text), nil
}

// takeDeath returns how the process is to kill itself now, once; "" if it is not.
func (c control) takeDeath() (kind, error) {
	text, err := os.ReadFile(c.death())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("control the sink: %w", err)
	}
	return kind(text), c.clearDeath()
}

// replaceFile writes a file in one step.
func replaceFile(path, text string) error {
	temporary := path + ".new"
	err := os.WriteFile(temporary, []byte(text), 0o600)
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("control the sink: %w", err)
	}
	return nil
}
