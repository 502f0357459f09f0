package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/bolt"
)

// copyLedger keeps the ledger as it is now, while no process has it open, and
// returns what is in it.
func (p *program) copyLedger(run int) ([]ledger.Dump, error) {
	folder := filepath.Join(p.dir, "ledgers")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("copy the ledger: %w", err)
	}
	path := filepath.Join(folder, fmt.Sprintf("before-run-%03d", run))
	if err := copyFile(p.ledger(), path); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, nil // killed before it was made
		}
		return nil, fmt.Errorf("copy the ledger: %w", err)
	}
	return readLedger(path)
}

func readLedger(path string) (all []ledger.Dump, err error) {
	store, err := bolt.OpenExisting(path, true)
	if err != nil {
		return nil, err
	}
	all, err = ledger.ReadAll(context.Background(), store)
	return all, errors.Join(err, store.Close())
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close() //nolint:errcheck // Read only.
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

func fileSize(path string) (int64, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// wholeEvents returns where the next event of a sink's file begins, once the sink
// has removed a torn one or ended the line of a whole one.
func wholeEvents(path string) (int64, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	last := bytes.LastIndexByte(text, '\n') + 1
	if last < len(text) && json.Valid(text[last:]) {
		return int64(len(text)) + 1, nil
	}
	return int64(last), nil
}
