package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/fairlead-dev/fairlead/internal/replay"
)

// stampKey is the key of a ConfigMap's data under which its write is stamped.
const stampKey = "written"

// stamps says when each write was sent, by the monotonic clock of this process.
// States carry their stamp with them; deletions have no state of their own.
type stamps struct {
	start time.Time

	mu      sync.Mutex
	deleted map[string]time.Duration // by UID; since start
}

func newStamps() *stamps {
	return &stamps{start: time.Now(), deleted: map[string]time.Duration{}}
}

// now returns the stamp of a state that is written now.
func (s *stamps) now() string { return strconv.FormatInt(int64(time.Since(s.start)), 10) }

// deleting notes that an object is deleted now.
func (s *stamps) deleting(uid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deleted[uid] = time.Since(s.start)
}

// age returns how long ago the write was sent that led to e. It returns false for
// what carries no stamp: what the API servers write, and the objects that were
// there before Fairlead started.
func (s *stamps) age(e *replay.Event) (time.Duration, bool, error) {
	now := time.Since(s.start)
	if e.Deleted {
		s.mu.Lock()
		defer s.mu.Unlock()
		at, ok := s.deleted[e.UID]
		return now - at, ok, nil
	}
	var object struct {
		Data map[string]string `json:"data"`
	}
	if err := json.Unmarshal(e.Data, &object); err != nil {
		return 0, false, fmt.Errorf("read the stamp of %s: %w", e.Object, err)
	}
	stamp, ok := object.Data[stampKey]
	if !ok {
		return 0, false, nil
	}
	at, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil {
		return 0, false, fmt.Errorf("read the stamp of %s: %w", e.Object, err)
	}
	return now - time.Duration(at), true, nil
}
