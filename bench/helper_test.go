package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"testing"
)

// What is not to be measured, or what a whole process is measured of, runs in a
// process of its own: the test binary once more, with helperEnv set. It is told what to do in lines of JSON, and
// ends with the pipe that these come through, so that it outlives nobody.
const helperEnv = "FAIRLEAD_BENCH_HELPER"

// helpers are what the second process can be. Each gets its first line, and
// returns what deals with the lines after it.
var helpers = map[string]func(ctx context.Context, setup json.RawMessage) (serve func(request json.RawMessage) (any, error), err error){
	"writer":  newWriter,
	"members": newMembers,
	"fleet":   newFleet,
}

// helperTB is to what a helper starts what a benchmark is to what it starts
// itself. It has no more methods than these.
type helperTB struct {
	testing.TB
	ctx func() context.Context
}

func (t helperTB) Helper()                  {}
func (t helperTB) Context() context.Context { return t.ctx() }
func (t helperTB) Fatal(args ...any)        { panic(fmt.Sprint(args...)) }

// reply is a helper's answer to one line.
type reply struct {
	Error string          `json:"error,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

func serveHelper(name string) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	serve := func(setup json.RawMessage) (value any, err error) { return nil, fmt.Errorf("no helper %q", name) }
	if begin := helpers[name]; begin != nil {
		first := func(setup json.RawMessage) (any, error) {
			then, err := begin(ctx, setup)
			serve = then
			return nil, err
		}
		serve = first
	}
	for {
		var request json.RawMessage
		if in.Decode(&request) != nil {
			return
		}
		value, err := serve(request)
		var r reply
		if err == nil {
			r.Value, err = json.Marshal(value)
		}
		if err != nil {
			r.Error = err.Error()
		}
		if out.Encode(r) != nil {
			return
		}
	}
}

// helper is the other end of such a process.
type helper struct {
	b   *testing.B
	cmd *exec.Cmd
	in  io.WriteCloser
	out *json.Decoder
}

// startHelper starts a helper, which ends with the benchmark.
func startHelper(b *testing.B, name string, setup any) *helper {
	b.Helper()
	h := &helper{b: b, cmd: exec.CommandContext(b.Context(), os.Args[0])}
	h.cmd.Env = append(os.Environ(), helperEnv+"="+name)
	h.cmd.Stderr = os.Stderr
	var err error
	if h.in, err = h.cmd.StdinPipe(); err != nil {
		b.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	h.out = json.NewDecoder(bufio.NewReader(out))
	if err := h.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = h.in.Close()
		_ = h.cmd.Wait() // it ends as it was told
	})
	h.ask(setup, nil)
	return h
}

// ask sends one line and waits for the answer.
func (h *helper) ask(request, value any) {
	h.b.Helper()
	if err := h.exchange(request, value); err != nil {
		h.b.Fatal(err)
	}
}

func (h *helper) exchange(request, value any) error {
	line, err := json.Marshal(request)
	if err != nil {
		return err
	}
	if _, err := h.in.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("the helper is gone: %w", err)
	}
	var r reply
	if err := h.out.Decode(&r); err != nil {
		return fmt.Errorf("the helper is gone: %w", err)
	}
	if r.Error != "" {
		return errors.New(r.Error)
	}
	if value == nil {
		return nil
	}
	return json.Unmarshal(r.Value, value)
}
