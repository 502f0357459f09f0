package page

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"
)

const (
	// resultName is the parameter of an address that says what came of an order.
	resultName = "result"
	// mostResults is of how many orders that is kept.
	mostResults = 100
	// resultsFor is how long that is kept: later, the state of the page says more.
	resultsFor = 10 * time.Minute
)

// results are what came of the last orders. An address holds an id of one, and not its text: else a
// link could have the page say anything. Methods may be called by any goroutine.
type results struct {
	mu  sync.Mutex
	all []result // the oldest first
}

type result struct {
	id   string
	At   time.Time
	Line string
}

// add keeps a line, and returns its id, which nobody can guess.
func (r *results) add(line string) (id string) {
	id = rand.Text()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.all) == mostResults {
		r.all = slices.Delete(r.all, 0, 1)
	}
	r.all = append(r.all, result{id, time.Now(), line})
	return id
}

// of returns what came of an order by its id; without a line if there is none, or not any more.
func (r *results) of(id string) result {
	r.mu.Lock()
	defer r.mu.Unlock()
	if i := slices.IndexFunc(r.all, func(one result) bool { return one.id == id }); i >= 0 && time.Since(r.all[i].At) < resultsFor {
		return r.all[i]
	}
	return result{}
}
