package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/internal/testenv"
	"github.com/fairlead-dev/fairlead/pipeline"
)

// register is a destination that compares terms: it accepts a request, of all its
// events or of none, if no event of a later term was accepted before. Comparing and
// accepting is one step.
type register struct {
	mu       sync.Mutex
	halves   map[int]bool // processes of whose last request a part has come
	highest  string
	accepted []posted
	refused  []posted
}

// posted is one event of one process.
type posted struct {
	pid  int
	line string
	replay.Event
}

func (d *register) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	pid, _ := strconv.Atoi(strings.Trim(r.URL.Path, "/"))
	body := bufio.NewReader(r.Body)
	first, err := body.ReadBytes('\n')
	d.mu.Lock()
	d.halves[pid] = true
	d.mu.Unlock()
	rest, restErr := io.ReadAll(body)
	if errors.Join(err, restErr) != nil {
		return // it has ended in the middle
	}
	var batch []posted
	for line := range bytes.Lines(append(first, rest...)) {
		e, err := replay.Parse(line)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		batch = append(batch, posted{pid, string(line), e})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.halves[pid] = false
	for _, e := range batch {
		if e.Term < d.highest {
			d.refused = append(d.refused, batch...)
			http.Error(w, "there was one of term "+d.highest, http.StatusConflict)
			return
		}
	}
	for _, e := range batch {
		d.highest = e.Term
	}
	d.accepted = append(d.accepted, batch...)
}

// of returns what was accepted, and refused, of one process.
func (d *register) of(pid int) (accepted, refused int, half bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	count := func(all []posted) (n int) {
		for _, e := range all {
			if e.pid == pid {
				n++
			}
		}
		return n
	}
	return count(d.accepted), count(d.refused), d.halves[pid]
}

// registerSink writes to a register, whose address is in a file in its folder. The
// process whose number is in the file "stop" takes that away, and stops itself as
// SIGSTOP does when a part of its request is under way. It sends the rest as soon as
// there is a file "go".
type registerSink struct{ dir string }

func openRegister(dir string) (pipeline.Sink, error) { return registerSink{dir}, nil }

func (s registerSink) Write(ctx context.Context, batch []*pipeline.Change) error {
	address, err := os.ReadFile(filepath.Join(s.dir, "address"))
	if err != nil {
		return err
	}
	reader, writer := io.Pipe()
	// Nobody takes back what is on its way.
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodPost, string(address)+"/"+strconv.Itoa(os.Getpid()), reader)
	if err != nil {
		return err
	}
	sent := make(chan error, 1)
	go func() { sent <- writer.CloseWithError(s.send(writer, batch)) }()
	resp, err := http.DefaultClient.Do(req)
	_ = reader.Close()
	if err = errors.Join(err, <-sent); err != nil {
		return err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(resp.Body)
	switch resp.StatusCode {
	case http.StatusOK:
		return nil
	case http.StatusConflict:
		return fmt.Errorf("write to the register: %w: %s", pipeline.ErrOldTerm, text)
	}
	return fmt.Errorf("write to the register: %s: %s", resp.Status, text)
}

func (s registerSink) send(to io.Writer, batch []*pipeline.Change) error {
	for i, c := range batch {
		line := append(c.AppendCloudEvent(nil), '\n')
		if i > 0 {
			if _, err := to.Write(line); err != nil {
				return err
			}
			continue
		}
		// The first line with a part of the second, if there is one, or else its end.
		if _, err := to.Write(line); err != nil {
			return err
		}
		if err := s.mayStop(); err != nil {
			return err
		}
	}
	return nil
}

func (s registerSink) mayStop() error {
	stop := filepath.Join(s.dir, "stop")
	text, _ := os.ReadFile(stop) // it need not be there
	if string(text) != strconv.Itoa(os.Getpid()) {
		return nil
	}
	if err := os.Remove(stop); err != nil {
		return err
	}
	for !exists(filepath.Join(s.dir, "arrived")) {
		_ = retry.Sleep(context.Background(), time.Millisecond)
	}
	if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
		return err
	}
	for !exists(filepath.Join(s.dir, "go")) {
		_ = retry.Sleep(context.Background(), time.Millisecond)
	}
	return nil
}

// TestALateWriteIsRefused stops a leader in the middle of a write, which arrives when
// another process leads: a destination that compares terms refuses it, and keeps what
// the new leader has written.
func TestALateWriteIsRefused(t *testing.T) {
	c := testenv.Start(t, testenv.Spec{Name: "member"}).Clusters[0]
	to, dir := &register{halves: map[int]bool{}}, t.TempDir()
	server := httptest.NewServer(to)
	t.Cleanup(server.Close)
	writeFile(t, filepath.Join(dir, "address"), server.URL)
	p := startPair(t, c, nil, append([]string{"--ledger=memory:", "--sink=register:" + dir}, quick...)...)
	leader, follower := p.leader.pid(), p.follower.pid()

	writeFile(t, filepath.Join(dir, "stop"), fmt.Sprint(leader))
	p.leader.await("a part of a write has arrived", func() bool {
		_, _, half := to.of(leader)
		return half && !exists(filepath.Join(dir, "stop"))
	})
	writeFile(t, filepath.Join(dir, "arrived"), "")
	p.follower.awaitRole("leader")
	p.follower.awaitLive()
	p.follower.await("the new leader has written", func() bool {
		accepted, _, _ := to.of(follower)
		return accepted > 30
	})
	before, _, _ := to.of(leader)
	writeFile(t, filepath.Join(dir, "go"), "")
	p.leader.signal(syscall.SIGCONT)
	p.follower.await("the late write has arrived", func() bool {
		accepted, refused, _ := to.of(leader)
		return refused > 0 || accepted > before
	})
	if code := p.leader.awaitExit(); code != 1 {
		t.Errorf("exit code %d of a leader that lost its term", code)
	}
	p.stop()
	held := p.held()
	// What was deleted between the two, nobody tells of without a ledger.
	p.follower.await("the register has what the server has", func() bool {
		state := replay.New()
		to.mu.Lock()
		defer to.mu.Unlock()
		for _, e := range to.accepted {
			state.Apply(e.Event)
		}
		return len(state.Compare(held).Missing) == 0
	})
	if accepted, refused, _ := to.of(leader); accepted > before || refused == 0 {
		t.Errorf("of the late write %d events were accepted, and %d refused", accepted-before, refused)
	}
	to.mu.Lock()
	defer to.mu.Unlock()
	if !slices.IsSortedFunc(to.accepted, func(a, b posted) int { return strings.Compare(a.Term, b.Term) }) {
		t.Error("terms went down in what was accepted")
	}
}
