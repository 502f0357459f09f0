package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// control is how the faulty sink, in one process, is told what to do by another:
// through files, so that it is told even if it is killed and started again.
type control struct {
	dir string
}

func (c control) sink() string  { return filepath.Join(c.dir, "changes.jsonl") }
func (c control) fault() string { return filepath.Join(c.dir, "fault") }
func (c control) death() string { return filepath.Join(c.dir, "death") }

// frozen is there while a process with the sink is to be stopped in a write.
func (c control) frozen() string { return filepath.Join(c.dir, "frozen") }
func (c control) also() string   { return filepath.Join(c.dir, "also") }

// shunned names the member whose changes the sink does not take.
func (c control) shunned() string { return filepath.Join(c.dir, "shunned") }

// refused has what the sink has refused for good.
func (c control) refused() string { return filepath.Join(c.dir, "refused.jsonl") }

// setFault makes the sink fail in some way from its next write on, until it is
// set to none: "".
func (c control) setFault(k kind) error { return replaceFile(c.fault(), string(k)) }

// setDeath makes the process with the sink kill itself in its next write.
func (c control) setDeath(k kind) error { return replaceFile(c.death(), string(k)) }

// setAlso is setFault for a fault of the program that needs one of the sink. It
// applies while there is no other.
func (c control) setAlso(k kind) error { return replaceFile(c.also(), string(k)) }

// setShunned makes the sink refuse all changes of a member, each by itself and not
// for good, until it is set to none: "". It applies beside any fault. With whole it answers
// for a batch of several as a transaction does: it takes nothing of one with such a change.
func (c control) setShunned(member string, whole bool) error {
	if whole {
		member += shunnedWhole
	}
	return replaceFile(c.shunned(), member)
}

// shunnedWhole is behind the name of a member with which whole batches are refused.
const shunnedWhole = "\n"

// readShunned returns whose changes the sink refuses, "" if nobody's, and whether that takes
// the rest of a batch with it.
func (c control) readShunned() (member string, whole bool, err error) {
	text, err := os.ReadFile(c.shunned())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, fmt.Errorf("control the sink: %w", err)
	}
	member, whole = strings.CutSuffix(string(text), shunnedWhole)
	return member, whole, nil
}

// clearDeath takes that back, if it has not happened.
func (c control) clearDeath() error {
	if err := os.Remove(c.death()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control the sink: %w", err)
	}
	return nil
}

// isFrozen reports whether a process was told to stop in a write, and may not go on yet.
func (c control) isFrozen() bool {
	_, err := os.Stat(c.frozen())
	return err == nil
}

// thaw lets it go on.
func (c control) thaw() error {
	if err := os.Remove(c.frozen()); err != nil {
		return fmt.Errorf("control the sink: %w", err)
	}
	return nil
}

// readFault returns how the sink is to fail now, "" if it is not.
func (c control) readFault() (kind, error) {
	for _, path := range []string{c.fault(), c.also()} {
		text, err := os.ReadFile(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("control the sink: %w", err)
		}
		if len(text) > 0 {
			return kind(text), nil
		}
	}
	return "", nil
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
	if kind(text) == freezeInWrite {
		err := os.Rename(c.death(), c.frozen())
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil // it was taken back
		}
		return freezeInWrite, err
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
