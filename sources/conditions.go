package sources

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/fairlead-dev/fairlead/internal/memberstatus"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/cache"
	states "github.com/fairlead-dev/fairlead/sources/member"
)

// The types of a member's conditions.
const (
	// ConditionReachable is whether the member's API server answers and takes the
	// credentials. It is Unknown before the first answer, while a doubt is looked into,
	// and while the member is paused.
	ConditionReachable = "Reachable"
	// ConditionSynced is whether all that is followed of the member has been read once and
	// is followed now.
	ConditionSynced = "Synced"
	// ConditionFresh is whether what others have of the member is as new as the member:
	// all is followed, nothing is silent, and no change waits for longer than FreshWithin.
	ConditionFresh = "Fresh"
	// ConditionThrottled is whether what is to be done for the member waits for its own rate
	// limit: for at least half of the last ten seconds something waited, and only a token was
	// missing. It stays so until that was the case for less than a tenth of them.
	ConditionThrottled = memberstatus.ConditionThrottled
)

// FreshWithin is how long a change of a member may wait for a sink while its member counts
// as fresh.
const FreshWithin = time.Minute

// maxMessage bounds the message of a condition, in bytes.
const maxMessage = 1024

// Conditions returns where the member stands as conditions: ConditionReachable,
// ConditionSynced and ConditionFresh, in this order. Their LastTransitionTime is when the
// member, or the stream that is told of, came to what they say; Fresh has now. Whoever
// keeps conditions merges them by meta.SetStatusCondition of apimachinery, so that a time
// stays as long as the status does. Messages are one line of at most 1 KiB, without
// credentials. Times in messages would change with every look: there are none.
func (m *MemberStatus) Conditions(now time.Time) []metav1.Condition {
	return []metav1.Condition{
		reachable(&m.Connection),
		m.synced(),
		m.fresh(now),
	}
}

// Conditions returns where a member stands as conditions, as memberclusters.fairlead.dev has
// them, and in that order: those of MemberStatus.Conditions and ConditionThrottled; ok is false if
// there is no such member. What its caches hold is Synced once all of them have been read, and
// Fresh while all of them are open. Throttled is of the queues of FairRequests, of which the one
// counts in which requests waited longest. It compares with the last call that is ten seconds ago
// or more, so it begins as False: ask at regular times, such as every ten seconds.
//
// Connection returns what else those objects tell: the attempt, and when the next one comes.
func (c *Caches) Conditions(name string, now time.Time) (all []metav1.Condition, ok bool) {
	c.mu.Lock()
	r := c.members[name]
	if r == nil {
		c.mu.Unlock()
		return nil, false
	}
	throttled := r.throttled.Look(c.missingLocked(name), now)
	connected := r.conn
	c.mu.Unlock()
	conn, held := connected.Status(), c.State(name)
	synced := condition(ConditionSynced, metav1.ConditionFalse, held.Since, string(held.State), held.Reason)
	fresh := condition(ConditionFresh, metav1.ConditionFalse, now, string(held.State), held.Reason)
	switch held.State {
	case cache.Live:
		synced = condition(ConditionSynced, metav1.ConditionTrue, held.Since, "Synced", "")
		fresh = condition(ConditionFresh, metav1.ConditionTrue, now, "Fresh", "")
	case cache.Stale:
		synced = condition(ConditionSynced, metav1.ConditionTrue, held.Since, "Synced", "")
	}
	return []metav1.Condition{reachable(&conn), synced, fresh, throttled}, true
}

func reachable(c *ConnectionStatus) metav1.Condition {
	message := c.Reason
	if c.LastError != "" && c.State != states.Live {
		message = c.LastError
	}
	switch c.State {
	case states.Live:
		return condition(ConditionReachable, metav1.ConditionTrue, c.Since, "Answers", "")
	case states.BackingOff, states.Waiting, states.Gone:
		return condition(ConditionReachable, metav1.ConditionFalse, c.Since, c.Reason, message)
	default:
		return condition(ConditionReachable, metav1.ConditionUnknown, c.Since, c.Reason, message)
	}
}

func (m *MemberStatus) synced() metav1.Condition {
	is := func(status metav1.ConditionStatus, since time.Time, reason, message string) metav1.Condition {
		return condition(ConditionSynced, status, since, reason, message)
	}
	if c := &m.Connection; len(m.Streams) == 0 && c.State != states.Live {
		return is(metav1.ConditionFalse, c.Since, "NotReachable", "")
	}
	if s := m.Survey; s != nil && s.State != states.Live && s.State != states.Stale {
		return is(metav1.ConditionFalse, s.Since, "Surveying", withCause("what the member serves is not known: ", s.Reason, s.LastError))
	}
	var worst *StreamStatus
	var since time.Time // of the newest
	behind := 0
	for i := range m.Streams {
		s := &m.Streams[i]
		if s.Since.After(since) {
			since = s.Since
		}
		if s.State == states.Live || s.State == states.Stale {
			continue
		}
		behind++
		if worst == nil || s.Attempt > worst.Attempt {
			worst = s
		}
	}
	switch {
	case worst != nil:
		name := worst.Resource
		if name == "" {
			name = worst.Stream
		}
		message := fmt.Sprintf("%d of %d streams are not live: %s is %s", behind, len(m.Streams), name, worst.State)
		last := ""
		if worst.State != states.Syncing {
			last = worst.LastError
		}
		return is(metav1.ConditionFalse, worst.Since, string(worst.State), withCause(message+": ", worst.Reason, last))
	case len(m.Streams) == 0:
		return is(metav1.ConditionTrue, m.Connection.Since, "NothingToFollow", "the member serves nothing of what is watched")
	}
	return is(metav1.ConditionTrue, since, "Synced", fmt.Sprintf("%d streams are live", len(m.Streams)))
}

func (m *MemberStatus) fresh(now time.Time) metav1.Condition {
	is := func(status metav1.ConditionStatus, reason, message string) metav1.Condition {
		return condition(ConditionFresh, status, now, reason, message)
	}
	synced := m.synced()
	if synced.Status != metav1.ConditionTrue {
		return is(metav1.ConditionFalse, "NotSynced", synced.Message)
	}
	if c := &m.Connection; c.State != states.Live {
		return is(metav1.ConditionFalse, "NotReachable", c.Reason)
	}
	waits := map[string]bool{}
	var routes []string
	for i := range m.Streams {
		s := &m.Streams[i]
		for _, r := range s.Routes {
			if at := r.OldestUnacked; !at.IsZero() && now.Sub(at) > FreshWithin && !waits[r.Route] {
				waits[r.Route] = true
				routes = append(routes, r.Route)
			}
		}
	}
	switch {
	case len(m.Connection.StaleStreams) > 0:
		return is(metav1.ConditionFalse, "Silent", "nothing is heard of "+strings.Join(m.Connection.StaleStreams, ", "))
	case len(routes) > 0:
		return is(metav1.ConditionFalse, "Waiting", fmt.Sprintf("changes wait for longer than %v for %s", FreshWithin, strings.Join(routes, ", ")))
	}
	return is(metav1.ConditionTrue, "Fresh", "")
}

// withCause returns head with what is known of why.
func withCause(head, reason, lastError string) string {
	switch {
	case lastError != "":
		return head + lastError
	case reason != "":
		return head + reason
	}
	return strings.TrimSuffix(head, ": ")
}

func condition(kind string, status metav1.ConditionStatus, since time.Time, reason, message string) metav1.Condition {
	return metav1.Condition{
		Type: kind, Status: status, LastTransitionTime: metav1.NewTime(since),
		Reason: reasonOf(reason), Message: redact.Line(message, maxMessage),
	}
}

// reasonOf returns words as the reason of a condition: "credentials refused" becomes
// CredentialsRefused. What is no ASCII letter or digit ends a word.
func reasonOf(words string) string {
	const most = 64 // bytes
	var b strings.Builder
	up := true
	for _, r := range words {
		letter := r < unicode.MaxASCII && unicode.IsLetter(r)
		if b.Len() == most {
			break
		}
		switch {
		case !letter && (!(r >= '0' && r <= '9') || b.Len() == 0):
			up = true
		case up:
			b.WriteRune(unicode.ToUpper(r))
			up = false
		default:
			b.WriteRune(r)
		}
	}
	if b.Len() == 0 {
		return "Unknown"
	}
	return b.String()
}
