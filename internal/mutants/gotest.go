package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// testTimeout is how long one run of a test may take.
const testTimeout = 5 * time.Minute

// run is what became of one run of a test.
type run struct {
	passed  bool
	message string // of the test, the first that it gave when it failed
	took    time.Duration
	problem error // why nothing can be said
}

// runner runs tests in a tree.
type runner struct {
	root    string // absolute
	timeout time.Duration
	plain   map[test]run // without a mutant
}

func newRunner(root string) (*runner, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	return &runner{root: root, timeout: testTimeout, plain: map[test]run{}}, nil
}

// without runs a test without a mutant, once for all that need it.
func (r *runner) without(ctx context.Context, t test) run {
	was, ok := r.plain[t]
	if !ok {
		was = r.goTest(ctx, t, "")
		r.plain[t] = was
	}
	return was
}

// with runs the test of a mutant with it.
func (r *runner) with(ctx context.Context, m mutant) run {
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return run{problem: err}
	}
	defer func() { _ = os.RemoveAll(dir) }()
	overlay, err := r.writeOverlay(dir, m)
	if err != nil {
		return run{problem: err}
	}
	return r.goTest(ctx, m.test, overlay)
}

// writeOverlay writes the files that a mutant changes, and the file that tells the go command
// to read them in place of the tree's, whose path it returns.
func (r *runner) writeOverlay(dir string, m mutant) (path string, err error) {
	files, err := m.mutated(r.root)
	if err != nil {
		return "", err
	}
	var overlay struct{ Replace map[string]string }
	overlay.Replace = map[string]string{}
	for file, text := range files {
		changed := filepath.Join(dir, fmt.Sprintf("%d.go", len(overlay.Replace)))
		if err := os.WriteFile(changed, []byte(text), 0o600); err != nil {
			return "", err
		}
		overlay.Replace[filepath.Join(r.root, filepath.FromSlash(file))] = changed
	}
	b, err := json.Marshal(overlay)
	if err != nil {
		return "", err
	}
	path = filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}

// goTest runs one test; overlay is empty for the tree as it is.
func (r *runner) goTest(ctx context.Context, t test, overlay string) run {
	args := []string{"test", "-json", "-count", "1", "-vet", "off", "-timeout", r.timeout.String(), "-run", "^" + t.name + "$"}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	args = append(append(args, "./"+t.pkg), strings.Fields(t.args)...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = r.root
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	began := time.Now()
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return run{problem: context.Cause(ctx)}
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return run{problem: fmt.Errorf("run go test: %w", err)}
	}
	result, err := readEvents(bytes.NewReader(out), t.name)
	result.took = time.Since(began)
	if err != nil {
		result.problem = fmt.Errorf("%w: %s", err, firstLines(stderr.String()+result.message))
	}
	return result
}

// event is a line of `go test -json`; see `go doc test2json`.
type event struct {
	Action, Test, Output string
}

// location begins a line that a test says.
var location = regexp.MustCompile(`^\s+\w+\.go:\d+: `)

// readEvents tells what became of the named test.
func readEvents(from io.Reader, name string) (r run, err error) {
	began, failed, timedOut := false, false, false
	var build strings.Builder
	lines := json.NewDecoder(from)
	for {
		var e event
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return r, fmt.Errorf("read what go test says: %w", err)
		}
		own := e.Test == name
		switch e.Action {
		case "build-output":
			build.WriteString(e.Output)
		case "run":
			began = began || own
		case "pass":
			r.passed = r.passed || own
		case "skip":
			if own {
				return r, errors.New("the test was skipped")
			}
		case "fail":
			failed = failed || e.Test == ""
		case "output":
			timedOut = timedOut || strings.HasPrefix(e.Output, "panic: test timed out")
			tells := location.MatchString(e.Output) || strings.HasPrefix(e.Output, "panic: ") || strings.HasPrefix(e.Output, "fatal error: ")
			if r.message == "" && tells {
				r.message = strings.TrimSpace(e.Output)
			}
		}
	}
	switch {
	case !began && failed:
		r.message = build.String()
		return r, errors.New("it does not compile")
	case !began:
		return r, errors.New("there is no such test")
	case timedOut:
		return r, errors.New("the test has timed out, which says nothing")
	case r.passed && failed:
		return r, errors.New("the test passes, and its package fails")
	}
	return r, nil
}

// firstLines returns the beginning of a text that may be long.
func firstLines(text string) string {
	const most = 600
	text = strings.TrimSpace(text)
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}
