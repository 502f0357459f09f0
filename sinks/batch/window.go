package batch

import (
	"math"
	"time"

	"github.com/fairlead-dev/fairlead/pipeline"
)

const (
	// windowSamples is of how many writes the window's line is, more or less: a
	// write of n writes ago weighs (1-1/windowSamples)^n.
	windowSamples = 32
	// windowSpread is how much of the sizes' mean square their variance has to be
	// for a slope: about that of one in sixteen with half the size.
	windowSpread = 1.0 / 64
	// windowFree is how long a batch may take without anybody noticing.
	windowFree = time.Millisecond
	// windowHandling is what a change costs on its way from one write to the next
	// in the queue, stage and ledger, rounded up.
	windowHandling = 10 * time.Microsecond
	// windowLate is how late a timer may be.
	windowLate = time.Millisecond
	// windowOdd is how many times longer or shorter than expected a write has to
	// take to be taken for an accident, or, if that happens twice in a row, for a
	// sink that is not what it was.
	windowOdd = 4
	// windowIdle is after how many writes in a row that had half of what they could
	// have had it is not known any more what the sink does with more.
	windowIdle = 8
	// windowRests is how many writes there are at the most from one probe of the double of
	// the smallest batch to the next: so many that the 99th percentile of what changes
	// wait has none of it, as each concerns those of about three writes. Of a sink whose
	// writes take long there are as many as take windowRestTime, but no fewer than what the
	// line is of takes to need another one.
	windowRests    = 512
	windowRestTime = 10 * time.Second
)

// window finds the batch with which a sink does nearly all that it can, and no
// larger: what is under way goes first, whoever it is of, so that what is larger than
// it pays is what everybody waits for.
//
// It takes a write of n changes for a line, a + c*n, and fits that to the last
// writes (least squares with exponential forgetting). The rate of batches of n is
// n/(a+c*n). A batch is doubled while that gains more than a ninth, which is while
// c*n < 4*a, and halved when it loses less than a twelfth, c*n > 10*a. So a sink
// that takes its time for each change (a = 0) gets single ones, one that takes the
// same for any batch (c = 0) the largest there is, and any other does at least four
// fifths of what it could.
//
// What can be learned of a line takes different sizes: where all were the same, the
// window now and then asks for half of its batch, or the double of its smallest, as
// BBR probes (Cardwell et al., "BBR: Congestion-Based Congestion Control", 2016).
// Half a batch costs hardly anything. The double of the smallest is what others wait for:
// each time that it does not pay, or fails, twice as many writes go by until it is tried again.
// Two writes in a row that are far off the line begin a new one.
// Like TCP it begins with the smallest, goes back by half when a write fails, and
// does not rely on what it was long ago when it had more to do (RFC 7661). What is too
// large for the sink it does not write, see limit.
//
// It is not safe for concurrent use.
type window struct {
	least, most, writes int

	batch   int // that is wanted
	probing int // instead, for the next one; 0: it is not
	idle    int // writes in a row that were far from full
	odd     int // how the last write was: longer (1) or shorter (-1) than any should be
	rest    int // writes until the double of the smallest may be probed again
	rests   int // how many there were from the last such probe on; 0: it paid, or there was none
	limit   limit
	room    room

	// Sums over the writes: of their weights, and of sizes and seconds by these.
	weight, n, nn, t, nt float64
}

// newWindow returns a window for batches of least to most changes, of which that
// many writes may be under way at once. What is below one is one.
func newWindow(least, most, writes int) *window {
	least = max(least, 1)
	return &window{least: least, most: max(most, least), writes: max(writes, 1), batch: least, room: newRoom()}
}

// Batch returns how many changes the next write is to have.
func (w *window) Batch() int {
	if w.probing > 0 {
		return w.limit.Most(w.probing)
	}
	return w.size()
}

// size is the batch that is wanted, or what the sink takes of it.
func (w *window) size() int { return w.limit.Most(w.batch) }

// Most returns how many changes the next write may have where more wait: all, unless larger
// writes than the smallest were found not to pay. Whoever is first need not wait for the rest
// then, and makes room for others. Nor where more come at once than are asked for, as from
// the ledger, so that nothing would ever be learned of what is.
func (w *window) Most() int {
	found := w.rests > 0 || w.batch == w.least && w.isSpread() && !w.pays()
	if found || w.probing > 0 && w.n > w.weight*float64(w.batch) {
		return w.Batch()
	}
	return w.limit.Most(w.most)
}

// Pace returns what the stage is to have under way. Beyond the writes there is one
// more delivery where to handle its changes takes a tenth of a write's time or more,
// in which the sink would have nothing to do.
func (w *window) Pace(bytes int) pipeline.Pace {
	p := pipeline.Pace{Batch: w.Batch(), Bytes: bytes, Deliveries: w.writes}
	size := w.size()
	if a, c := w.line(); w.weight > 0 && a+c*float64(size) < 10*windowHandling.Seconds()*float64(size) {
		p.Deliveries++
	}
	// One batch may wait for the ledger; and a few changes, while they are needed.
	p.UnderWay = max((p.Deliveries+1)*size, w.room.size)
	return p
}

// Ahead returns how long after its begin a write of n changes is to have the next batch
// taken from the queue: so long before it ends as it takes to handle that one. A change
// that comes until then has its turn in the next write, not in the one after that. It is
// 0 where a write is over sooner than a batch is handled.
func (w *window) Ahead(n int) time.Duration {
	a, c := w.line()
	took := time.Duration((a + c*float64(n)) * float64(time.Second))
	return max(took-time.Duration(w.size())*windowHandling-windowLate, 0)
}

// Began tells that a write of n changes begins, while so many more wait.
func (w *window) Began(n, waiting int) {
	w.limit.Began(n)
	w.room.Began(waiting, w.size(), time.Now())
}

// RanOut tells that a writer has found nothing to write after its last write. It reports
// whether more may be under way for that.
func (w *window) RanOut() bool { return w.room.RanOut() }

// Wrote tells of a write of n changes.
func (w *window) Wrote(n int, took time.Duration) {
	w.limit.Wrote(n, time.Now())
	w.took(n, took)
}

// took takes in how long a write of n changes took.
func (w *window) took(n int, took time.Duration) {
	w.rest = max(w.rest-1, 0)
	w.learn(float64(n), took.Seconds())
	a, c := w.line()
	before, size := w.batch, float64(w.batch)
	switch {
	case !w.isSpread():
		// Nothing is known of the slope.
	case c*size > 10*a && a+c*size > windowFree.Seconds():
		w.batch = max(w.batch/2, w.least)
	case n >= w.batch && w.pays():
		w.batch = min(w.batch*2, w.most)
	}
	if n > w.batch/2 || w.batch == 1 {
		w.idle = 0
	} else if w.idle++; w.idle >= windowIdle {
		w.idle = 0
		w.batch = max(w.batch/2, w.least)
	}
	switch {
	case w.batch != before:
		w.rest, w.rests = 0, 0
	case w.probing > w.batch && w.isSpread():
		w.pause()
	}
	w.probe()
}

// pays tells whether the line says that the double of the batch does.
func (w *window) pays() bool {
	a, c := w.line()
	size := float64(w.batch)
	return c*size < 4*a || a+2*c*size <= windowFree.Seconds()
}

// Failed tells that a write of n changes has failed, as one of fewer might not have. It
// reports whether that was to be expected of that many.
func (w *window) Failed(n int) (expected bool) {
	w.goBack(n)
	if expected = w.limit.Failed(n, w.least, w.limitPause(), time.Now()); !expected {
		w.batch = max(w.batch/2, w.least)
	}
	return expected
}

// FailedInPart tells that the destination has failed in the middle of a write of n changes.
// isMost is whether that is so of most of them, as it is of what is too large: the part of a
// cluster, say. Otherwise it says nothing about the size of writes.
func (w *window) FailedInPart(n int, took time.Duration, isMost bool) (expected bool) {
	if isMost {
		expected = w.limit.FailedInPart(n, w.least, w.limitPause(), time.Now())
	}
	w.took(n, took)
	return expected
}

// Paused tells that the destination has asked for a pause instead of n changes.
func (w *window) Paused(n int) {
	w.goBack(n)
	w.limit.Paused(n, w.least)
	w.batch = max(w.batch/2, w.least)
}

// goBack ends what is probed, of a write of n changes that has failed.
func (w *window) goBack(n int) {
	if n > w.batch && w.probing > w.batch {
		w.pause()
	}
	w.probing = 0
}

// limitPause returns how many writes there are in half of limitTime.
func (w *window) limitPause() int {
	a, c := w.line()
	return int(min(limitTime.Seconds()/2/(a+c*float64(w.size())), math.MaxInt32))
}

// pause has writes go by until the double of the smallest is probed again.
func (w *window) pause() {
	a, c := w.line()
	most := max(windowRestTime.Seconds()/(a+c*float64(w.batch)), windowSamples/2)
	w.rests = int(min(max(2*float64(w.rests), windowSamples), windowRests, most))
	w.rest = w.rests
}

// probe decides whether the next write is to have another size.
func (w *window) probe() {
	w.probing = 0
	if w.weight == 0 || w.isSpread() {
		return
	}
	other := w.batch / 2
	if other < w.least {
		if w.rest > 0 {
			return
		}
		other = min(w.batch*2, w.most)
	}
	if math.Abs(w.n/w.weight-float64(other)) > float64(other)/4 {
		w.probing = other // else it is the batch itself that nothing is known of
	}
}
