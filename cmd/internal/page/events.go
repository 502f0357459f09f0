package page

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

const (
	// mostReaders is how many follow at once, over all servers.
	mostReaders = 64
	// mostEvent is how long a reader may take for one event.
	mostEvent = 10 * time.Second
	// quiet is how long nothing is sent at most, so that who has gone is noticed.
	quiet = 20 * time.Second
)

// feed sends pages to those who follow them. A page that several follow is made once.
type feed struct {
	log    logr.Logger
	joined chan struct{} // one when readers are there after none were
	done   chan struct{} // closed when the feed has ended

	mu      sync.Mutex
	readers int
	topics  map[string]*topic
	ended   bool
}

// topic is one page that somebody follows.
type topic struct {
	render  func(s *snapshot) ([]byte, error)
	every   time.Duration
	due     time.Time
	number  uint64 // of the snapshot that was sent last
	readers map[chan []byte]bool
}

func newFeed(log logr.Logger) *feed {
	return &feed{log: log, joined: make(chan struct{}, 1), done: make(chan struct{}), topics: map[string]*topic{}}
}

var errTooMany = fmt.Errorf("%d pages are followed already; this one does not change by itself", mostReaders)

// join has events of a page sent to the channel, of which it holds the newest.
func (f *feed) join(key string, every time.Duration, render func(*snapshot) ([]byte, error)) (news chan []byte, leave func(), err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return nil, nil, errors.New("the program is stopping")
	}
	if f.readers >= mostReaders {
		return nil, nil, errTooMany
	}
	f.readers++
	t := f.topics[key]
	if t == nil {
		t = &topic{render: render, every: every, readers: map[chan []byte]bool{}}
		f.topics[key] = t
	}
	t.number = 0 // the new one has none yet
	news = make(chan []byte, 1)
	t.readers[news] = true
	if f.readers == 1 {
		select {
		case f.joined <- struct{}{}:
		default:
		}
	}
	return news, func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.readers--
		if delete(t.readers, news); len(t.readers) == 0 && f.topics[key] == t {
			delete(f.topics, key)
		}
	}, nil
}

// send makes the page that has been due for longest and sends it to all who follow it. It
// reports whether another one is due, and whether anybody follows.
func (f *feed) send(s *snapshot) (more, followed bool) {
	t, more := f.next(s)
	if t == nil {
		return false, f.followed()
	}
	event, err := f.event(t, s)
	if err != nil {
		f.log.Error(err, "Could not make a status page for those who follow it")
		return more, f.followed()
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for news := range t.readers {
		select {
		case <-news: // it is slow, and gets the newer one
		default:
		}
		news <- event
	}
	return more, f.readers > 0
}

// next returns the page that has been due for longest, nil if none is, and says whether
// another one is due. It counts as sent.
func (f *feed) next(s *snapshot) (first *topic, more bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.topics {
		if s.at.Before(t.due) || t.number == s.number {
			continue
		}
		more = first != nil
		if first == nil || t.due.Before(first.due) {
			first = t
		}
	}
	if first != nil {
		first.due, first.number = s.at.Add(first.every-atLeast/2), s.number
	}
	return first, more
}

func (f *feed) followed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.readers > 0
}

// event is a page as an event. A mistake in a page must not end the program.
func (f *feed) event(t *topic, s *snapshot) (event []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	content, err := t.render(s)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %d\nevent: page\n", s.number)
	for line := range bytes.Lines(content) {
		b.WriteString("data: ")
		b.Write(bytes.TrimRight(line, "\r\n"))
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	return b.Bytes(), nil
}

func (f *feed) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended = true
		close(f.done)
	}
}

// follow sends a page again and again, until who asked has gone or the feed ends.
func (f *feed) follow(w http.ResponseWriter, r *http.Request, v view, render func(*snapshot) ([]byte, error)) {
	key := r.URL.RequestURI()
	if v.acts {
		key = "acting " + key // it has other content than the page without buttons
	}
	news, leave, err := f.join(key, v.every, render)
	if err != nil {
		w.Header().Set("Retry-After", "30")
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer leave()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // said to proxies that would wait for more
	rc := http.NewResponseController(w)
	// Servers bound the time of a request, and this one has no end. What is written is bounded
	// one by one.
	if err := rc.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return
	}
	write := func(event []byte) bool {
		if err := rc.SetWriteDeadline(time.Now().Add(mostEvent)); err != nil && !errors.Is(err, http.ErrNotSupported) {
			return false
		}
		if _, err := w.Write(event); err != nil {
			return false
		}
		return rc.Flush() == nil
	}
	if !write([]byte("retry: 5000\n\n")) {
		return
	}
	alive := time.NewTicker(quiet)
	defer alive.Stop()
	for {
		event := []byte(":\n\n")
		select {
		case <-r.Context().Done():
			return
		case <-f.done:
			return
		case event = <-news:
		case <-alive.C:
		}
		if !write(event) {
			return
		}
	}
}
