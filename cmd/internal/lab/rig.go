package lab

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"testing"
)

// Rig lends a program the servers that are started for tests, which belong to a
// testing.TB. What fails or skips a test is the error of Do, and what ends with a test
// ends with Close. One goroutine uses it at a time.
type Rig struct{ t *rigged }

// NewRig returns a rig whose temporary folders are in dir.
func NewRig(dir string) *Rig {
	// A program that is no test is asked too whether it is to be short.
	testing.Init()
	if !flag.Parsed() {
		_ = flag.CommandLine.Parse(nil) // It has nothing to refuse.
	}
	return &Rig{&rigged{dir: dir}}
}

// Do calls f. The ctx bounds that call only.
func (r *Rig) Do(ctx context.Context, f func(testing.TB)) error {
	r.t.ctx, r.t.errs = ctx, nil
	ended := make(chan struct{})
	go func() { // which FailNow ends
		defer close(ended)
		f(r.t)
	}()
	<-ended
	return errors.Join(r.t.errs...)
}

// Close ends what was started, the last first.
func (r *Rig) Close() error {
	var errs []error
	for _, end := range slices.Backward(r.t.cleanups) {
		errs = append(errs, r.Do(context.Background(), func(testing.TB) { end() }))
	}
	r.t.cleanups = nil
	return errors.Join(errs...)
}

// rigged is the testing.TB. It has the methods that starting a server needs; the
// interface, which is nil, stands for the others.
type rigged struct {
	testing.TB
	ctx      context.Context //nolint:containedctx // A testing.TB has one.
	dir      string
	errs     []error // of the present call
	cleanups []func()
}

func (t *rigged) Helper()                  {}
func (t *rigged) Context() context.Context { return t.ctx }
func (t *rigged) Cleanup(f func())         { t.cleanups = append(t.cleanups, f) }

// TempDir makes a folder, which stays: whoever made the rig removes its folder.
func (t *rigged) TempDir() string {
	dir, err := os.MkdirTemp(t.dir, "server-")
	if err != nil {
		t.Fatal(fmt.Errorf("make a folder for a server: %w", err))
	}
	return dir
}

func (t *rigged) Error(args ...any) { t.errs = append(t.errs, asError(args)) }

func (t *rigged) Errorf(format string, args ...any) {
	t.errs = append(t.errs, fmt.Errorf(format, args...))
}

func (t *rigged) Fatal(args ...any) {
	t.Error(args...)
	runtime.Goexit()
}

func (t *rigged) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}

// Skip fails: a program has nothing else to do without the server.
func (t *rigged) Skip(args ...any) { t.Fatal(args...) }

// asError keeps an error that is all there is to say.
func asError(args []any) error {
	if len(args) == 1 {
		if err, ok := args[0].(error); ok {
			return err
		}
	}
	return errors.New(fmt.Sprint(args...))
}
