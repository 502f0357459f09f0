package testbrowser

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fairlead-dev/fairlead/internal/aptcache"
)

const (
	// requireEnv is the variable with which no test is skipped for lack of a server, see
	// fairleadtest.RequireEnv. What can be fetched must be there, too.
	requireEnv = "FAIRLEAD_REQUIRE_CONTROL_PLANE"
	// patience is how long an answer of the browser is waited for. A busy machine starts it
	// within seconds.
	patience = 60 * time.Second
	// mostMessage bounds what the browser says at once, such as a picture.
	mostMessage = 64 << 20
)

// Browser is a Chromium that runs.
type Browser struct {
	to *os.File

	mu      sync.Mutex
	last    int
	waiting map[int]chan message
	events  map[string][]message // of each tab
	ended   chan struct{}
}

// message is what browser and test say to each other.
type message struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// Start starts a browser, which ends with the test. Without one, the test is skipped.
func Start(t testing.TB) *Browser {
	t.Helper()
	if testing.Short() && os.Getenv(requireEnv) == "" {
		t.Skip("needs a browser: skipped with -short")
	}
	found, err := find()
	if err != nil {
		if os.Getenv(requireEnv) != "" && aptcache.Available() {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	commands, to := pipe(t)
	from, answers := pipe(t)
	// The second exit of a browser writes its last files, so that t.TempDir could not be removed.
	profile, err := os.MkdirTemp("", "fairlead-browser-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(found.path, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", //nolint:noctx // It is killed with the test.
		"--disable-background-networking", "--disable-extensions", "--disable-sync", "--hide-scrollbars", "--force-color-profile=srgb",
		"--remote-debugging-pipe", "--user-data-dir="+profile, "about:blank")
	cmd.Env = append([]string{"HOME=" + profile, "PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}, found.env...)
	cmd.ExtraFiles = []*os.File{commands, answers} // 3 and 4
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", found.path, err)
	}
	_ = commands.Close() // they are the browser's now
	_ = answers.Close()
	b := &Browser{to: to, waiting: map[int]chan message{}, events: map[string][]message{}, ended: make(chan struct{})}
	go b.read(from)
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		_ = to.Close()
		<-b.ended
		_ = from.Close()
		_ = os.RemoveAll(profile)
		if t.Failed() && said.Len() > 0 {
			t.Logf("the browser said: %.2000s", said.String())
		}
	})
	return b
}

func pipe(t testing.TB) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	return r, w
}

// read hands answers to those who wait for them, and keeps events, until the browser has
// ended.
func (b *Browser) read(from *os.File) {
	defer close(b.ended)
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, mostMessage)
	lines.Split(func(data []byte, _ bool) (int, []byte, error) {
		if end := bytes.IndexByte(data, 0); end >= 0 {
			return end + 1, data[:end], nil
		}
		return 0, nil, nil
	})
	for lines.Scan() {
		var m message
		if err := json.Unmarshal(lines.Bytes(), &m); err != nil {
			continue
		}
		b.mu.Lock()
		if answer := b.waiting[m.ID]; m.ID != 0 && answer != nil {
			delete(b.waiting, m.ID)
			answer <- m // there is room for one
		} else if m.ID == 0 {
			b.events[m.Session] = append(b.events[m.Session], m)
		}
		b.mu.Unlock()
	}
}

// call has the browser do something, in a session or, if that is empty, as a whole.
func (b *Browser) call(t testing.TB, session, method string, params, result any) {
	t.Helper()
	if refused := b.ask(t, session, method, params, result); refused != "" {
		t.Fatalf("%s: the browser says %s", method, refused)
	}
}

// ask is call that returns what the browser says if it does not do it.
func (b *Browser) ask(t testing.TB, session, method string, params, result any) (refused string) {
	t.Helper()
	encoded, err := json.Marshal(params)
	if err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	b.last++
	m := message{ID: b.last, Session: session, Method: method, Params: encoded}
	answer := make(chan message, 1)
	b.waiting[m.ID] = answer
	encoded, err = json.Marshal(m)
	if err == nil {
		_, err = b.to.Write(append(encoded, 0))
	}
	b.mu.Unlock()
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			return m.Error.Message
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				t.Fatalf("%s: %v", method, err)
			}
		}
	case <-b.ended:
		t.Fatalf("%s: the browser has ended", method)
	case <-time.After(patience):
		t.Fatalf("%s: no answer in %v", method, patience)
	}
	return ""
}

// Problems are what a tab has written to its console as an error or a warning, and what
// went wrong in it, such as what its page's policy has kept from it.
func (b *Browser) problems(session string) (all []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.events[session] {
		text := string(e.Params)
		if e.Method == "Runtime.exceptionThrown" || e.Method == "Log.entryAdded" && !strings.Contains(text, `"level":"verbose"`) && !strings.Contains(text, `"level":"info"`) {
			all = append(all, fmt.Sprintf("%s %.500s", e.Method, text))
		}
	}
	return all
}

// take returns what a tab has told by that method, once.
func (b *Browser) take(session, method string) (taken []message) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events[session] = slices.DeleteFunc(b.events[session], func(m message) bool {
		if m.Method == method {
			taken = append(taken, m)
		}
		return m.Method == method
	})
	return taken
}
