package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/internal/retry"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// DefaultMaxStreams is how many streams a member may have because of wildcards: more than
// clusters with several large operators need.
const DefaultMaxStreams = 500

// readAllEvery is how often everything that a member serves is read, also where it tells
// that nothing has changed: it tells that of all groups but the core one.
const readAllEvery = 5 * time.Minute

// SurveyOptions say what a Survey works with.
type SurveyOptions struct {
	Cluster    string
	Named      []Spec   // the member's specs that name a resource, which go before
	Wildcards  []Spec   // at least one
	Excluded   []Spec   // see ParseExclusions
	MaxStreams int      // that the member may have, those of Named among them; 0: no bound
	Routes     []string // whose cursors count
	Config     Config
	Connection Connection
	Ledger     Ledger
	// Found is called with all that a look has found. It may block until the streams that
	// there are not to be have ended.
	Found func(context.Context, Findings)
	// Ended reports whether a stream that Found was told of has ended, see Stream.Ended.
	Ended func(Spec) bool
	Log   logr.Logger
}

// Findings are what wildcards come to in a member.
type Findings struct {
	Streams []Followed // all that there are to be
	// Unplaced are the resources that are left out because there is no place for them, see
	// MaxStreams, under all names of their objects. That is no reason to report objects of
	// theirs as deleted.
	Unplaced map[schema.GroupResource]bool
}

// Survey finds out which resources of a member wildcards stand for, and goes on with it
// while resources come and go. New resources are found within Config.SurveyInterval.
//
//	discovery ─┐
//	ledger ────┼─▶ plan ──▶ Found: the streams that there are to be
//	streams ───┘
//
// A stream begins when discovery tells of its resource, or when the ledger has objects of
// it that a sink holds. That discovery does not tell of a resource any more ends no stream:
// the stream itself finds out whether the resource is gone, and tells of the deletions. When
// nothing is left to tell, the stream ends.
type Survey struct {
	o       SurveyOptions
	log     logr.Logger
	backoff *backoff.ExponentialBackOff
	now     retryNow // of the delay after a look that failed

	// What follows belongs to Run.
	session   *member.Session
	tag       string // of what discovery told last; empty: the member has none
	inventory *inventory
	readAt    time.Time // the inventory
	before    map[Spec]bool
	full      bool // it has been logged that there is no place

	mu     sync.Mutex
	status SurveyStatus
}

// SurveyStatus is where a survey stands.
type SurveyStatus struct {
	Wildcards []string     `json:"wildcards"`
	State     member.State `json:"state"`
	Since     time.Time    `json:"since"`            // when it entered State
	Reason    string       `json:"reason,omitempty"` // why it is in that state, in a word; empty while all is well
	// LastError is what went wrong last, even if all is well again.
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	// LookedAt is when the member was last asked what it serves, and answered.
	LookedAt time.Time `json:"lookedAt,omitzero"`
	// Streams is how many streams there are because of wildcards.
	Streams int `json:"streams"`
	// LeftOut are resources that wildcards stand for and that are not followed: the first
	// hundred of LeftOutCount.
	LeftOut      []LeftOut `json:"leftOut"`
	LeftOutCount int       `json:"leftOutCount"`
	Beyond       int       `json:"beyond"` // of these, for which there is no place, see MaxStreams
}

// mostLeftOut is how many resources a status names.
const mostLeftOut = 100

// NewSurvey returns a survey. It starts nothing.
func NewSurvey(o SurveyOptions) *Survey {
	if o.Log.GetSink() == nil {
		o.Log = logr.Discard()
	}
	o.Config = o.Config.WithDefaults()
	s := &Survey{
		o: o, log: o.Log.WithValues("cluster", o.Cluster), before: map[Spec]bool{},
		backoff: retry.NewBackOff(o.Config.ReconnectMin, o.Config.ReconnectMax), now: newRetryNow(),
		status: SurveyStatus{State: member.Connecting, Since: time.Now(), LeftOut: []LeftOut{}},
	}
	for _, w := range o.Wildcards {
		s.status.Wildcards = append(s.status.Wildcards, w.String())
	}
	return s
}

// Status may be called from any goroutine.
func (s *Survey) Status() SurveyStatus {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.status
	st.LeftOut = slices.Clone(st.LeftOut)
	return st
}

// Run looks until ctx ends, and returns nil then. It fails if the member is gone. It must
// not run twice at once.
func (s *Survey) Run(ctx context.Context) error {
	for {
		session, err := s.o.Connection.Acquire(ctx)
		if err != nil {
			return unlessEnded(ctx, fmt.Errorf("survey of cluster %q: %w", s.o.Cluster, err))
		}
		if session != s.session {
			s.session, s.tag, s.inventory = session, "", nil
		}
		if err = s.look(ctx); ctx.Err() != nil {
			return unlessEnded(ctx, err)
		}
		every := s.o.Config.SurveyInterval
		delay := every - every/10 + rand.N(every/5+1)
		now := retryNow(nil) // nothing has failed
		if err != nil {
			why, after := classify(ctx, err)
			delay = max(s.backoff.NextBackOff(), after)
			s.enter(member.BackingOff, why.String(), err)
			now = s.now
		} else {
			s.backoff.Reset()
		}
		now.wait(ctx, delay, s.o.Config.ReconnectMin, func(time.Duration) {}, session.Changed, nil)
	}
}

// look asks the member what it serves, if that may have changed, and tells Found.
func (s *Survey) look(ctx context.Context) error {
	now := time.Now()
	tag, same := s.sameTag(ctx)
	if !same || s.inventory == nil || now.Sub(s.readAt) >= readAllEvery {
		inv, err := s.read(ctx)
		s.report(ctx, err)
		if err != nil {
			return err
		}
		s.inventory, s.tag, s.readAt = inv, tag, now
	}
	p := &planner{
		wildcards: s.o.Wildcards, named: s.o.Named, excluded: s.o.Excluded, max: s.o.MaxStreams,
		inventory: s.inventory, known: s.recall(), before: s.before, ended: s.o.Ended,
	}
	follow, left := p.plan()
	s.tell(follow, left)
	s.o.Found(ctx, Findings{follow, p.unplaced})
	s.before = map[Spec]bool{}
	for _, f := range follow {
		s.before[f.Spec] = true
	}
	return nil
}

// read returns what the member serves.
func (s *Survey) read(ctx context.Context) (*inventory, error) {
	api := newServed(s.session.Discovery)
	all, err := api.everything(ctx)
	if err != nil {
		return nil, err
	}
	inv := all.inventory()
	known := s.o.Ledger.Recall(s.o.Cluster, s.session.UID, s.session.Others...)
	if err := inv.setNamed(ctx, api, known, s.o.Named); err != nil {
		return nil, err
	}
	return inv, nil
}

func (s *Survey) report(ctx context.Context, err error) {
	if context.Cause(ctx) == nil {
		s.o.Connection.Report(s.session, answered(err))
	}
}

// recall returns what the ledger remembers of the member, for the routes that there are.
// What it has of another cluster that had the name before is to be followed if it is of
// the same selection, as its objects are gone.
func (s *Survey) recall() remembered {
	all := remembered(s.o.Ledger.Recall(s.o.Cluster, s.session.UID, s.session.Others...))
	return slices.DeleteFunc(all, func(r ledger.Remembered) bool {
		if !slices.Contains(s.o.Routes, r.ID.Route) {
			return true
		}
		return !r.Own && !slices.ContainsFunc(standingFor(s.o.Wildcards, groupResource(r)), func(w Spec) bool { return sameSelection(r, w) })
	})
}

// tell notes and logs what a look has come to.
func (s *Survey) tell(follow []Followed, left []LeftOut) {
	var unread error
	if len(s.inventory.unread) > 0 {
		unread = fmt.Errorf("%w: %s", errIncomplete, few(s.inventory.unread))
	}
	beyond := 0
	for _, l := range left {
		if strings.HasSuffix(l.Reason, noPlace) {
			beyond++
		}
	}
	reason := ""
	if unread != nil {
		reason = incomplete.String()
	}
	s.enter(member.Live, reason, unread)
	s.mu.Lock()
	s.status.LookedAt, s.status.Streams = time.Now(), len(follow)
	s.status.LeftOutCount, s.status.LeftOut = len(left), slices.Clone(left[:min(len(left), mostLeftOut)])
	s.status.Beyond = beyond
	if s.status.LeftOut == nil {
		s.status.LeftOut = []LeftOut{}
	}
	s.mu.Unlock()

	var joined []string
	now := map[Spec]bool{}
	for _, f := range follow {
		now[f.Spec] = true
		if !s.before[f.Spec] {
			joined = append(joined, f.Spec.String())
		}
	}
	var ended []string
	for spec := range s.before {
		if !now[spec] {
			ended = append(ended, spec.String())
		}
	}
	slices.Sort(ended)
	if len(joined)+len(ended) > 0 {
		s.log.Info("The resources that wildcards stand for have changed", "streams", len(follow), "joined", few(joined), "ended", few(ended))
	}
	if beyond > 0 && !s.full {
		s.log.Info("Resources are left out: the member has as many as --max-streams allows", "resources", beyond, "maxStreams", s.o.MaxStreams)
	}
	s.full = beyond > 0
}

// few names the first of many.
func few(names []string) string {
	const most = 10
	if more := len(names) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), more)
	}
	return strings.Join(names, ", ")
}

// enter enters a state.
func (s *Survey) enter(state member.State, reason string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
		if s.session.Redact != nil {
			text = s.session.Redact(err)
		}
		text = redact.Cut(text, 1024)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.status.State
	if before != state {
		s.status.State, s.status.Since = state, time.Now()
	}
	s.status.Reason = reason
	if err != nil {
		s.status.LastError, s.status.LastErrorAt = text, time.Now()
	}
	if before != state && !errors.Is(err, context.Canceled) {
		s.log.Info("What a member serves: the survey changed its state", "state", string(state), "was", string(before), "reason", reason)
	}
}
