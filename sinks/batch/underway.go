package batch

import "time"

// writes notes since when the writer's write is under way, and of how many changes; zero:
// it has ended.
func (b *writer) writes(since time.Time, n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if since.IsZero() {
		delete(b.underWay, b)
		return
	}
	b.underWay[b] = since
	b.ahead = since.Add(b.window.Ahead(n))
	if b.pace != nil && b.opts.Linger == 0 && b.ahead.After(since) {
		b.pace(b.paceLocked())
	}
}

// restLocked tells who paces that nothing is pending. What was may have been about to be
// written, and next deliveries to wait for that, when it was refused or taken back instead.
func (b *Batcher) restLocked() {
	if len(b.pending) == 0 && b.pace != nil && b.opts.Linger == 0 {
		b.pace(b.paceLocked())
	}
}

// aheadLocked returns when the delivery beyond the writes is to take its changes: zero, at
// once, unless all writers write or are about to: between two writes, too, what is taken
// waits for the one that begins. It is the time of the write that ends first.
func (b *Batcher) aheadLocked() (first time.Time) {
	idle := b.opts.Concurrency - len(b.underWay)
	if waiting := len(b.pending); idle == 1 && waiting > 0 {
		idle = 0
		first = time.Now().Add(b.window.Ahead(min(waiting, b.window.Most())))
	}
	if idle > 0 {
		return time.Time{}
	}
	for w := range b.underWay {
		if first.IsZero() || w.ahead.Before(first) {
			first = w.ahead
		}
	}
	return first
}
