package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestFollow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "changes.jsonl")
		var got []string
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() {
			done <- follow(ctx, path, false, func(line []byte) error {
				got = append(got, string(line))
				return nil
			})
		}()
		step := func(what, want string, do func() error) {
			t.Helper()
			if err := do(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * poll)
			synctest.Wait()
			if lines := strings.Join(got, " "); lines != want {
				t.Errorf("%s: read %q, want %q", what, lines, want)
			}
		}
		write := func(text string) func() error {
			return func() error {
				f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
				if err != nil {
					return err
				}
				_, err = f.WriteString(text)
				return errors.Join(err, f.Close())
			}
		}
		step("no file yet", "", func() error { return nil })
		step("a file", "a b", write("a\nb\n"))
		step("half a line", "a b", write("to"))
		step("its other half", "a b torn", write("rn\n"))
		step("a torn line", "a b torn", write("le"))
		step("which is cut off", "a b torn", func() error { return os.Truncate(path, int64(len("a\nb\ntorn\n"))) })
		step("and another one", "a b torn right", write("right\n"))
		step("a rotation", "a b torn right last", func() error {
			if err := write("last\n")(); err != nil {
				return err
			}
			return os.Rename(path, path+".1")
		})
		step("a next file that waits for its first event", "a b torn right last", write(""))
		step("an event to the file before", "a b torn right last late", func() error {
			f, err := os.OpenFile(path+".1", os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				return err
			}
			_, err = f.WriteString("late\n")
			return errors.Join(err, f.Close())
		})
		step("the next file", "a b torn right last late first second", write("first\nsecond\n"))
		step("a file that is emptied", "a b torn right last late first second", func() error { return os.Truncate(path, 0) })
		step("and filled anew", "a b torn right last late first second third", write("third\n"))
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "changes.jsonl")
	if err := run(t.Context(), []string{"-once", path}, t.Output(), t.Output()); err == nil {
		t.Error("a file that does not exist is read")
	}
	text := event("a", "U", "1") + "\n" + event("a", "V", "2") + "\n" + event("a", "U", "-") + "\n" + event("a", "W", "3")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-once", path}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	if want := "created: a configmaps  n\ncreated: a configmaps  n\ngone: a configmaps  n\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
	if err := os.WriteFile(path, []byte("hello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), []string{"-once", path}, &out, t.Output()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a file of something else: %v", err)
	}
}

// What is printed goes to a terminal, and a member chooses the names.
func TestNamesAreNoCommandsToATerminal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "changes.jsonl")
	text := strings.Replace(event("a", "U", "1"), `"name":"n"`, `"name":"x\u001b[2J\u202e\ny"`, 1) + "\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := run(t.Context(), []string{"-once", path}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	if want := "created: a configmaps  x?[2J??y\n"; out.String() != want {
		t.Errorf("printed %q, want %q", out.String(), want)
	}
}
