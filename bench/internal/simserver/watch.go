package simserver

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// flushAt is how many bytes of frames gather before they are written, if there
// are as many.
const flushAt = 32 << 10

// batch is how many events are taken under the lock at once.
const batch = 64

// watcher is one open watch.
type watcher struct {
	*collection
	w         http.ResponseWriter
	flusher   *http.ResponseController
	meta      bool
	namespace string
	buf       []byte
}

// watch answers a watch until the client leaves, the server ends or cuts it, or
// the events it has not read yet leave the window.
func (c *collection) watch(w http.ResponseWriter, r *http.Request, q url.Values, namespace string) {
	s := c.member.server
	s.stats.watches.Add(1)
	s.stats.open.Add(1)
	defer s.stats.open.Add(-1)
	cut := s.live.Load().ended

	var timeout <-chan time.Time
	if seconds, err := strconv.Atoi(q.Get("timeoutSeconds")); err == nil && seconds > 0 {
		timer := time.NewTimer(time.Duration(seconds) * time.Second)
		defer timer.Stop()
		timeout = timer.C
	}
	wr := &watcher{collection: c, w: w, flusher: http.NewResponseController(w), meta: metadataOnly(r), namespace: namespace}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)

	next, ok := wr.begin(q)
	if !ok {
		return
	}
	var bookmarks <-chan time.Time
	if q.Get("allowWatchBookmarks") == "true" {
		ticker := time.NewTicker(s.o.Bookmarks)
		defer ticker.Stop()
		bookmarks = ticker.C
	}
	events := make([]event, batch)
	for {
		n, version, changed, ok := c.after(next, events)
		if !ok {
			return // too slow: cut off, as a real server does
		}
		for _, e := range events[:n] {
			if !wr.tell(e) {
				return
			}
		}
		next += uint64(n)
		if n > 0 {
			continue
		}
		if !wr.flush() {
			return
		}
		select {
		case <-changed:
		case <-bookmarks:
			wr.buf = c.appendBookmark(wr.buf, version, false, wr.meta)
		case <-timeout:
			return
		case <-r.Context().Done():
			return
		case <-cut:
			return
		case <-s.stopping:
			return
		}
	}
}

// begin sends what stands before the events that are to come, and returns the
// number of the first of these.
func (wr *watcher) begin(q url.Values) (next uint64, ok bool) {
	if asked, err := strconv.ParseUint(q.Get("resourceVersion"), 10, 64); err == nil && asked > 0 && q.Get("sendInitialEvents") != "true" {
		if next, ok = wr.position(asked); !ok {
			wr.expired()
		}
		return next, ok
	}
	// Also without sendInitialEvents a watch from no version begins with all
	// objects.
	objects, version := wr.present()
	next, ok = wr.position(version)
	if !ok {
		return 0, false
	}
	if q.Get("sendInitialEvents") == "false" {
		return next, true
	}
	wr.member.server.stats.lists.Add(1)
	for _, o := range objects {
		if !wr.tell(event{"ADDED", o}) {
			return 0, false
		}
	}
	if q.Get("sendInitialEvents") == "true" {
		wr.buf = wr.appendBookmark(wr.buf, version, true, wr.meta)
	}
	return next, wr.flush()
}

// tell queues a frame. It returns false when the client does not read any more.
func (wr *watcher) tell(e event) bool {
	if wr.namespace != "" && !inNamespace(e.object, wr.namespace) {
		return true
	}
	before := len(wr.buf)
	wr.buf = wr.appendFrame(wr.buf, e, wr.meta)
	stats := &wr.member.server.stats
	stats.events.Add(1)
	stats.bytes.Add(int64(len(wr.buf) - before))
	return len(wr.buf) < flushAt || wr.flush()
}

func (wr *watcher) flush() bool {
	_, err := wr.w.Write(wr.buf)
	wr.buf = wr.buf[:0]
	if cap(wr.buf) > 4<<10 { // idle watches hold nothing large
		wr.buf = nil
	}
	return err == nil && wr.flusher.Flush() == nil
}

// expired tells that a version has left the window.
func (wr *watcher) expired() {
	wr.w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(wr.w).Encode(map[string]any{
		"type": "ERROR", "object": statusObject(http.StatusGone, "Expired", "too old resource version"),
	})
}
