package batch

import (
	"errors"
	"time"
)

// TooLarge is the size of a write that fails though smaller ones succeed: beyond a limit of a
// proxy, say, or more than can be done before a deadline. Such writes are left out, but for
// a try now and then.
type TooLarge struct {
	// Changes is the smallest number that fails.
	Changes int `json:"changes"`
	// Since is when such a size was found first, without one that succeeded in between.
	Since time.Time `json:"since"`
	// LastError is with what the destination has failed last with that many.
	LastError string `json:"lastError"`
}

// tooLargeApart is the least time from one line of the log about the size of writes to the
// next.
const tooLargeApart = time.Minute

// tooLarge is what the window has found, and the log was told of it.
type tooLarge struct {
	TooLarge
	last   string // why the last write failed, but for smaller ones than were suspected
	told   int    // what the log was told of last; 0: that there is no limit, or nothing
	toldAt time.Time
}

// sizeNews is what the log is to be told of the size of writes.
type sizeNews struct {
	happened    bool
	fails, fits int
	err         error
}

// note takes in the smallest size that fails, 0 if none does, and the largest that fits;
// and why the last write failed, if it had as many changes as that or are suspected.
func (l *tooLarge) note(now time.Time, fails, fits int, failed error) (news sizeNews) {
	if failed != nil {
		l.last = failed.Error()
	}
	switch {
	case fails == 0:
		l.TooLarge = TooLarge{}
	case l.Changes == 0:
		l.Since = now
		fallthrough
	default:
		l.Changes, l.LastError = fails, l.last
	}
	if l.told == l.Changes || l.told > 0 && l.told < l.Changes || !l.toldAt.IsZero() && now.Sub(l.toldAt) < tooLargeApart {
		return news
	}
	news = sizeNews{happened: true, fails: l.Changes, fits: fits}
	if l.told, l.toldAt = l.Changes, now; l.told > 0 {
		news.err = errors.New(l.LastError)
	}
	return news
}

// announceSize tells the operator of news of the size of writes.
func (b *Batcher) announceSize(news sizeNews) {
	switch {
	case !news.happened:
	case news.fails == 0:
		b.opts.Log.Info("Sink takes larger writes again", "sink", b.name)
	default:
		b.opts.Log.Error(news.err, "Sink fails with writes as large as this, and takes smaller ones; larger ones are tried now and then", "sink", b.name,
			"failingChanges", news.fails, "acceptedChanges", news.fits)
	}
}
