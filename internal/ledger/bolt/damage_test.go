package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/ledger/ledgertest"
)

// sample returns the bytes of a ledger with some hundred pages: branches,
// leaves, small buckets within their parents, large values, free pages. With
// them come its content and what it was before the last transaction.
func sample(t testing.TB) (file []byte, now, before ledgertest.Content) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	s := mustOpen(t, path)
	now, before = ledgertest.Content{}, ledgertest.Content{}
	for i := range 60 {
		updates := transaction(i)
		if i == 20 {
			updates = append(updates, ledger.Update{Cursor: "large", Head: bytes.Repeat([]byte("h"), 9000)})
			for k := range 100 {
				updates[len(updates)-1].Records = append(updates[len(updates)-1].Records, ledger.Record{
					Key: fmt.Appendf(nil, "key-%05d", k), Value: bytes.Repeat([]byte{byte(k)}, 20+k*60),
				})
			}
		}
		if err := s.Apply(t.Context(), updates); err != nil {
			t.Fatal(err)
		}
		if now.Apply(updates...); i < 59 {
			before.Apply(updates...)
		}
	}
	mustClose(t, s)
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file, now, before
}

// openBytes writes a file, opens and reads it as a ledger, and makes sure that this
// has changed nothing in it.
func openBytes(t testing.TB, path string, file []byte) (ledgertest.Content, error) {
	t.Helper()
	// Not os.WriteFile: there are file systems that flush a file which is
	// truncated and written anew.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.WriteAt(file, 0)
	if err := errors.Join(err, f.Truncate(int64(len(file))), f.Close()); err != nil {
		t.Fatal(err)
	}
	content, err := func() (ledgertest.Content, error) {
		s, err := Open(path)
		if err != nil {
			return nil, err
		}
		defer mustClose(t, s)
		return ledgertest.Read(t.Context(), s)
	}()
	if after, e := os.ReadFile(path); e != nil || !bytes.Equal(after, file) {
		t.Fatalf("the file has changed: %d bytes, were %d; %v", len(after), len(file), e)
	}
	return content, err
}

// wantAdvice fails unless an error says what, where and what to do.
func wantAdvice(t testing.TB, what string, err error, path string, is error, says ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", what)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("%s: %v; is not %v", what, err, is)
	}
	for _, s := range append(says, path) {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s: %v; does not say %q", what, err, s)
		}
	}
}

func TestTruncated(t *testing.T) {
	file, _, _ := sample(t)
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	used := usedSize(t, file)
	r := rand.New(rand.NewPCG(5, 5))
	sizes := []int{0, 1, 15, 16, 79, 80, 1023, 1024, 4095, 4096, 4097, 4096 + 80, 8191, 8192, 8193, 16383, 16384, 16385, 32768, used - 1, used - 4096}
	for range 150 {
		sizes = append(sizes, r.IntN(used))
	}
	for _, n := range sizes {
		_, err := openBytes(t, path, file[:n])
		wantAdvice(t, fmt.Sprint(n, " bytes"), err, path, ledger.ErrCorrupt, "restore it from a backup", "start afresh")
	}
}

// usedSize is how much of a file its pages take: bbolt makes files longer.
func usedSize(t testing.TB, file []byte) int {
	t.Helper()
	p, err := checkPages(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return p.Total * p.Size
}

// Bytes are changed on every page, in its header and everywhere else. Either
// that is found, or it was where nothing is kept. A meta page is special: a
// crash may leave one half written, and then the other one stands.
func TestCorrupt(t *testing.T) {
	file, now, before := sample(t)
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	used := usedSize(t, file)
	r := rand.New(rand.NewPCG(6, 6))
	var found, harmless, older int
	try := func(what string, damaged []byte) {
		got, err := openBytes(t, path, damaged)
		switch {
		case err != nil:
			found++
			wantAdvice(t, what, err, path, ledger.ErrCorrupt, "restore it from a backup")
		case reflect.DeepEqual(got, now):
			harmless++
		case reflect.DeepEqual(got, before) && !bytes.Equal(damaged[:8192], file[:8192]):
			older++
		default:
			t.Errorf("%s: neither an error nor what was stored", what)
		}
	}
	each := 24
	if testing.Short() {
		each = 6
	}
	for page := range used / 4096 {
		for i := range each {
			damaged := bytes.Clone(file)
			at, n := page*4096, 1
			switch {
			case i < 5: // flags, count, overflow, first element
				at += []int{8, 10, 12, 16, 20}[i]
			case i < each-2:
				at += r.IntN(4096)
			default: // a whole piece of it
				n = 512
				at += r.IntN(8) * 512
			}
			for k := range n {
				damaged[at+k] ^= byte(1 + r.IntN(255))
			}
			try(fmt.Sprintf("page %d, %d bytes at %d", page, n, at%4096), damaged)
		}
	}
	for range 40 { // one page in the place of another
		damaged := bytes.Clone(file)
		from, to := r.IntN(used/4096), r.IntN(used/4096)
		copy(damaged[to*4096:][:4096], file[from*4096:][:4096])
		try(fmt.Sprintf("page %d in the place of %d", from, to), damaged)
	}
	t.Logf("%d found, %d harmless, %d as before the last transaction", found, harmless, older)
	if found < (harmless+older)/2 || older == 0 {
		t.Error("hardly anything was found: is anything damaged?")
	}
}

// What bbolt does not notice: a count that is smaller leaves records out.
func TestMissingRecords(t *testing.T) {
	for name, spoil := range map[string]func(cursors *bbolt.Bucket) error{
		"a record": func(b *bbolt.Bucket) error {
			records := b.Bucket([]byte("cursor 1")).Bucket(recordsBucket)
			k, _ := records.Cursor().First()
			return records.Delete(k)
		},
		"a head":        func(b *bbolt.Bucket) error { return b.Bucket([]byte("cursor 1")).Delete(headKey) },
		"a cursor":      func(b *bbolt.Bucket) error { return b.DeleteBucket([]byte("cursor 1")) },
		"all records":   func(b *bbolt.Bucket) error { return b.Bucket([]byte("cursor 1")).DeleteBucket(recordsBucket) },
		"another value": func(b *bbolt.Bucket) error { return b.Bucket([]byte("cursor 1")).Put(headKey, []byte("2")) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "fairlead.ledger")
			s := mustOpen(t, path)
			if err := s.Apply(t.Context(), transaction(1)); err != nil {
				t.Fatal(err)
			}
			tx, err := s.db.Begin(true)
			if err != nil {
				t.Fatal(err)
			}
			if err := spoil(tx.Bucket(cursorsBucket)); err != nil {
				t.Fatal(err)
			}
			if err := tx.Commit(); err != nil {
				t.Fatal(err)
			}
			_, err = ledgertest.Read(t.Context(), s)
			wantAdvice(t, name, err, path, ledger.ErrCorrupt, "entries", "restore it from a backup")
		})
	}
}

func TestSomethingElse(t *testing.T) {
	dir := t.TempDir()
	other := filepath.Join(dir, "other.db")
	db, err := bbolt.Open(other, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	put := func(bucket, key string, value []byte) {
		t.Helper()
		if err := db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte(bucket))
			if err != nil {
				return err
			}
			return b.Put([]byte(key), value)
		}); err != nil {
			t.Fatal(err)
		}
	}
	image := func() []byte {
		t.Helper()
		if err := db.Sync(); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(other)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	empty := image()
	put("members", "key", []byte("value"))
	foreign := image()
	put("fairlead", "format", encodeFormat(2))
	newer := image()
	put("fairlead", "format", encodeFormat(0))
	older := image()
	put("fairlead", "format", binary.BigEndian.AppendUint64(nil, 2))
	unknown := image()
	put("fairlead", "format", encodeFormat(1))
	bare := image()
	put("cursors", "no bucket", nil)
	noSum := image()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}

	path := filepath.Join(dir, "fairlead.ledger")
	for _, tc := range []struct {
		what string
		file []byte
		is   error
		says string
	}{
		{"text", []byte(strings.Repeat("this is a log file\n", 5000)), ledger.ErrCorrupt, "it is no ledger"},
		{"zeros", make([]byte, 1<<16), ledger.ErrCorrupt, "it is no ledger"},
		{"nothing", nil, ledger.ErrCorrupt, "it is empty"},
		{"a database without anything", empty, ledger.ErrCorrupt, "no ledger"},
		{"another database", foreign, ledger.ErrCorrupt, "no ledger"},
		{"a newer format", newer, ErrNewer, "update the program"},
		{"format 0", older, ledger.ErrCorrupt, "unknown format 0"},
		{"no number", unknown, ledger.ErrCorrupt, "format number"},
		{"no cursors", bare, ledger.ErrCorrupt, "no place for cursors"},
		{"no sum", noSum, ledger.ErrCorrupt, "no sum"},
	} {
		_, err := openBytes(t, path, tc.file)
		wantAdvice(t, tc.what, err, path, tc.is, tc.says)
	}
}

func TestFileSystem(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ what, path, says string }{
		{"a folder", dir, "name a file in it"},
		{"no folder", filepath.Join(dir, "missing", "x"), "there is no folder " + filepath.Join(dir, "missing")},
		{"a file as folder", filepath.Join(file, "x"), "not a directory"},
		{"a pipe", fifo, "not a regular file: name one"},
	} {
		_, err := Open(tc.path)
		wantAdvice(t, tc.what, err, tc.path, nil, tc.says)
	}
	missing := filepath.Join(dir, "nothing")
	_, err := OpenExisting(missing, true)
	wantAdvice(t, "nothing there", err, missing, os.ErrNotExist, "check the path")
	_, err = OpenExisting(missing, false)
	wantAdvice(t, "nothing there", err, missing, os.ErrNotExist, "check the path")
	if _, err := os.Stat(missing); !errors.Is(err, os.ErrNotExist) {
		t.Error("a look has made a file")
	}
}

func TestWithoutTheRight(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("root has every right")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "fairlead.ledger")
	mustClose(t, mustOpen(t, path))
	if err := os.Chmod(path, 0o400); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path)
	wantAdvice(t, "a file that may not be written", err, path, os.ErrPermission, "give this user the right")
	if err := errors.Join(os.Remove(path), os.Chmod(dir, 0o500)); err != nil {
		t.Fatal(err)
	}
	_, err = Open(path)
	wantAdvice(t, "a folder that may not be written", err, path, os.ErrPermission, "give this user the right")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
}

func TestLockedByAnotherProcess(t *testing.T) {
	t.Parallel() // it waits
	path := filepath.Join(t.TempDir(), "fairlead.ledger")
	c := startChild(t, "hold", path)
	c.line(t)
	_, err := Open(path)
	wantAdvice(t, "while a program runs", err, path, ErrLocked, "end that one first", "its own ledger")
	_, err = OpenExisting(path, true)
	wantAdvice(t, "a look while a program runs", err, path, ErrLocked, "end that one first")
	c.kill()
	mustOpen(t, path)
}

// The file becomes shorter, or other, while it is in use: the calls that meet
// it fail, and none waits for ever or ends the process.
func TestDamagedWhileInUse(t *testing.T) {
	file, _, _ := sample(t)
	for what, spoil := range map[string]func(path string) error{
		"truncated to nothing":   func(path string) error { return os.Truncate(path, 0) },
		"truncated to one page":  func(path string) error { return os.Truncate(path, 4096) },
		"truncated to few pages": func(path string) error { return os.Truncate(path, 5*4096) },
		"overwritten by zeros":   func(path string) error { return os.WriteFile(path, make([]byte, len(file)), 0o600) },
		"overwritten by junk": func(path string) error {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteAt(bytes.Repeat([]byte{0xA5}, len(file)-8192), 8192)
			return errors.Join(err, f.Close())
		},
	} {
		for _, first := range []string{"apply", "load", "close"} {
			t.Run(what+", "+first, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "fairlead.ledger")
				if err := os.WriteFile(path, file, 0o600); err != nil {
					t.Fatal(err)
				}
				s, err := Open(path)
				if err != nil {
					t.Fatal(err)
				}
				if err := spoil(path); err != nil {
					t.Fatal(err)
				}
				for range 3 {
					if first == "apply" {
						err = s.Apply(context.Background(), transaction(61))
						wantAdvice(t, "Apply", err, path, ledger.ErrCorrupt, "restore it from a backup")
					}
					if first != "close" {
						_, err = ledgertest.Read(t.Context(), s)
						wantAdvice(t, "Load", err, path, ledger.ErrCorrupt, "restore it from a backup")
					}
				}
				if err := s.Close(); err != nil {
					t.Error("Close:", err)
				}
				_, err = Open(path) // not locked, but refused
				wantAdvice(t, "Open", err, path, ledger.ErrCorrupt, "restore it from a backup")
			})
		}
	}
}
