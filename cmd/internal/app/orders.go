package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/ledger"
)

// orders are what operators have told the running program: what is paused, and other limits
// of clusters, streams and routes.
//
//	POST /pause, /resume, /limits ──▶ orders ──▶ queues hold, sources stop, limiter
//	                                   │  ▲
//	                                   ▼  └ when the next engine opens; when a time is over
//	                                 ledger
//
// They outlive engines and, in the ledger, processes: whoever delivers next knows them before
// it begins. Their methods may be called by any goroutine.
type orders struct {
	log     logr.Logger
	limiter *limiter

	mu     sync.Mutex
	ledger keeper // nil until load
	engine *engine
	pauses map[api.Target]api.Pause
	limits map[api.Target]api.LimitsOrder
	timer  *time.Timer // ends what ends next; nil: nothing does
	closed bool
}

// keeper keeps texts by key, across restarts; ledger.Ledger is one.
type keeper interface {
	Kept() map[string]string
	Keep(key, value string) error
	FlushKept(ctx context.Context) error
}

var _ keeper = (*ledger.Ledger)(nil)

func newOrders(log logr.Logger, limiter *limiter) *orders {
	return &orders{log: log, limiter: limiter, pauses: map[api.Target]api.Pause{}, limits: map[api.Target]api.LimitsOrder{}}
}

// The keys in the ledger begin so. What follows is the name of what the order is of.
const (
	keptPause  = "pause "
	keptLimits = "limits "
)

// limitsKey is the key of limits. Of a cluster it is what it was when there were no others. An
// older version reads the others as what it cannot read, leaves them where they are and says so;
// no name of a cluster has a tab.
func limitsKey(of api.Target) string {
	if of.IsCluster() {
		return keptLimits + of.Cluster
	}
	return keptLimits + "\t" + of.String()
}

// load takes in what the ledger keeps. What cannot be read, because a later version has
// written it, stays there.
func (o *orders) load(l keeper) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ledger = l
	for key, value := range l.Kept() {
		var err error
		switch {
		case strings.HasPrefix(key, keptPause):
			var p api.Pause
			if err = json.Unmarshal([]byte(value), &p); err == nil && keptPause+p.String() == key {
				o.pauses[p.Target] = p
				continue
			}
		case strings.HasPrefix(key, keptLimits):
			var l api.LimitsOrder
			if err = json.Unmarshal([]byte(value), &l); err == nil {
				err = over(l, clusterLimit{}).limit.Validate()
			}
			if err == nil && limitsKey(l.Target) == key {
				o.limits[l.Target] = l
				continue
			}
		default:
			continue
		}
		o.log.Error(errors.Join(err, errors.New("it is not in effect")), "The ledger holds an order that this version cannot read", "order", key)
	}
	for _, p := range o.pausesLocked() {
		o.log.Info("Paused, as it was before the start", pauseValues(p)...)
	}
	for _, l := range o.limits {
		o.limiter.order(l)
	}
	o.expireLocked(time.Now())
}

// open has an engine, that has not begun, do what is ordered.
func (o *orders) open(e *engine) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.engine = e
	o.applyLocked()
	o.limitStreamsLocked()
}

// close ends what waits for time.
func (o *orders) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.closed = true
	if o.timer != nil {
		o.timer.Stop()
	}
}

// expireLocked ends what is over at now, and sees to it that the next is ended in time.
func (o *orders) expireLocked(now time.Time) {
	if o.closed {
		return
	}
	var next time.Time
	over := func(order api.Order) bool {
		if until := order.Until; until.IsZero() {
			return false
		} else if until.After(now) {
			if next.IsZero() || until.Before(next) {
				next = until
			}
			return false
		}
		return true
	}
	resumed, ended := false, false
	for _, p := range o.pauses {
		if over(p.Order) {
			resumed = true
			delete(o.pauses, p.Target)
			_ = o.keepLocked(keptPause+p.String(), nil) // to forget fits in any case
			o.log.Info("Resumed, because the time of the pause is over", pauseValues(p)...)
		}
	}
	if resumed {
		o.applyLocked()
	}
	for _, l := range o.limits {
		if over(l.Order) {
			delete(o.limits, l.Target)
			_ = o.keepLocked(limitsKey(l.Target), nil) // likewise
			o.limiter.forgetOrder(l.Target)
			ended = true
			o.log.Info("The limits are as they are declared again, because the time of the others is over", append(targetValues(l.Target), "by", l.By)...)
		}
	}
	if ended {
		o.limitStreamsLocked()
	}
	if o.timer != nil {
		o.timer.Stop()
		o.timer = nil
	}
	if !next.IsZero() {
		o.timer = time.AfterFunc(next.Sub(now), func() {
			o.mu.Lock()
			defer o.mu.Unlock()
			o.expireLocked(time.Now())
		})
	}
}

// keepLocked has the ledger keep an order, or forget it if it is nil, with its next
// transaction. Until that is stored, a restart knows what was before: nothing of what is asked
// for now, and what is over as something whose time is over.
func (o *orders) keepLocked(key string, order any) error {
	if order == nil {
		return o.ledger.Keep(key, "")
	}
	text, err := json.Marshal(order)
	if err != nil {
		return err
	}
	return o.ledger.Keep(key, string(text))
}

// orderStored is how long an order is waited for to be stored, before it is confirmed.
const orderStored = 10 * time.Second

// store waits until what is kept is stored. It returns why that is not so yet.
func (o *orders) store(ctx context.Context, of string) (notStored string) {
	ctx, cancel := context.WithTimeoutCause(ctx, orderStored, errors.New("the ledger has not been written in time"))
	defer cancel()
	if err := o.ledger.FlushKept(ctx); err != nil {
		o.log.Error(err, "An order is in effect, but is not stored: a restart would not know it", "of", of)
		return err.Error()
	}
	return ""
}

// bounds of what operators say; a larger order is refused.
const (
	mostOrderText = 200 // bytes of a name or reason
	mostOrderTime = 366 * 24 * 60 * 60 * time.Second
)

// mostOrders is how many pauses there are, and how many orders of limits. Together
// they fit into the ledger, beside what it keeps by itself.
const mostOrders = ledger.MostKept / 3

var errManyOrders = fmt.Errorf("there are %d already, which is as many as are kept; end some", mostOrders)
