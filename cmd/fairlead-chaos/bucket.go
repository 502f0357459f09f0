package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/testsinks"
)

// startBucket has two versitygw, which keep the objects of a bucket as files of one folder.
func startBucket(t testing.TB, d *destination) {
	t.Helper()
	s := testsinks.StartVersityGW(t, nil)
	keys := filepath.Join(t.TempDir(), "credentials")
	give := func(secret string) error {
		return replaceFile(keys, fmt.Sprintf("[default]\naws_access_key_id = %s\naws_secret_access_key = %s\n", s.AccessKey, secret))
	}
	if err := give(s.SecretKey); err != nil {
		t.Fatal(err)
	}
	second := s.StartAnother(t)
	d.serveInTurn(peer{s, s.Host}, peer{second, second.Host})
	d.sink = "s3://" + d.listens + "/" + s.Bucket + "/fleet?tls=false&age=200ms&timeout=5s&credentials=file&credentials-file=" + keys + "&name=" + theDestination
	// Somebody renews the keys, and the store does not know them yet.
	d.more = map[kind]stroke{destinationDenies: {
		func(context.Context) error { return give("not" + s.SecretKey) },
		func(context.Context) error { return give(s.SecretKey) },
	}}
	d.events = func(context.Context) ([]replay.Event, error) { return readSegments(filepath.Join(s.Folder, s.Bucket)) }
}

// readSegments reads all segments, and orders the events of an object by term and sequence,
// as whoever reads them has to.
func readSegments(folder string) (events []replay.Event, err error) {
	err = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".zst" {
			return err
		}
		text, err := readSegment(path)
		if err != nil {
			return fmt.Errorf("read segment %s: %w", path, err)
		}
		for line := range bytes.Lines(text) {
			e, err := replay.Parse(line)
			if err != nil {
				return fmt.Errorf("read segment %s: %w", path, err)
			}
			e.Data = nil
			events = append(events, e)
		}
		return nil
	})
	slices.SortStableFunc(events, byNumber)
	return events, err
}

func readSegment(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // Read only.
	segment, err := zstd.NewReader(file)
	if err != nil {
		return nil, err
	}
	defer segment.Close()
	return io.ReadAll(segment)
}
