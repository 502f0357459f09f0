package connection

import (
	"maps"
	"slices"
	"time"

	"github.com/fairlead-dev/fairlead/internal/ledger"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// Status is where a connection stands, for people and metrics. It holds no
// credentials.
type Status struct {
	Cluster string       `json:"cluster"`
	State   member.State `json:"state"`
	// Reason says why the state is what it is, in a few words; empty when
	// live.
	Reason string `json:"reason,omitempty"`
	// Since is when State became what it is.
	Since time.Time `json:"since"`
	// LastError is the text of the newest failed probe or reported call, and
	// LastErrorAt its time; they stay when the member recovers.
	LastError   string    `json:"lastError,omitempty"`
	LastErrorAt time.Time `json:"lastErrorAt,omitzero"`
	// Attempt counts the probes that failed since the member was last live.
	Attempt int `json:"attempt,omitempty"`
	// NextRetry is when the next probe is due, unless the member is found to
	// answer before that; zero while one is under way, and while the member is live
	// or paused.
	NextRetry time.Time `json:"nextRetry,omitzero"`
	// ClusterUID is the identity of the cluster, empty until it is known, and
	// ByDigest whether it is only a digest of server URL and CA, as they were when
	// it was first seen.
	ClusterUID    string `json:"clusterUID,omitempty"`
	ByDigest      bool   `json:"byDigest,omitempty"`
	ServerVersion string `json:"serverVersion,omitempty"`
	// Credential is what expires first of the credentials that the last probe was made
	// with, "token" or "certificate", CredentialExpires when, and CredentialIssued since
	// when it was good. They are empty and zero as far as the credentials do not tell.
	Credential        string    `json:"credential,omitempty"`
	CredentialIssued  time.Time `json:"credentialIssued,omitzero"`
	CredentialExpires time.Time `json:"credentialExpires,omitzero"`
	// StaleStreams are those whose last SetStale said so, sorted. The member may
	// be live all the same: it has answered a probe since.
	StaleStreams []string `json:"staleStreams,omitempty"`
	// Probes counts probes by result, ReachabilityProbes those that only ask
	// whether anybody answers, and Reconnects the times that the connection was
	// lost or replaced, by reason.
	Probes             map[string]uint64 `json:"probes,omitempty"`
	ReachabilityProbes map[string]uint64 `json:"reachabilityProbes,omitempty"`
	Reconnects         map[string]uint64 `json:"reconnects,omitempty"`
}

// Reasons.
const (
	reasonDialing     = "dialing"
	reasonUnreadable  = "kube-system namespace not readable, waiting whether it will be"
	reasonSuspect     = "a call failed, probing"
	reasonSilent      = "a stream is silent, probing"
	reasonCredentials = "credentials refused"
	reasonUnusable    = "configuration unusable"
	reasonPluginHangs = "credential plugin does not answer"
	reasonPluginFails = "credential plugin fails"
	reasonPaused      = "paused"
	reasonReplaced    = "another cluster answers under this name"
	reasonUnsure      = "not known whether it is the same cluster"
	reasonRemoved     = "removed"
)

// phase is what the probe loop is about. Together with the flags beside it, it
// makes up the state that is shown.
type phase int

const (
	dialing phase = iota // nothing known of this configuration
	live
	suspect    // a session exists, but a call failed: a probe is due or under way
	backingOff // the last probe failed
	waiting    // it failed in a way that only the member's owner can mend
)

// stateLocked returns the state to show and its reason.
func (c *Connection) stateLocked() (member.State, string) {
	switch {
	case c.ended:
		return member.Gone, reasonRemoved
	case c.paused:
		return member.Paused, reasonPaused
	}
	switch c.phase {
	case live:
		if c.silent {
			return member.Stale, reasonSilent
		}
		return member.Live, ""
	case suspect:
		return member.Stale, reasonSuspect
	case backingOff:
		return member.BackingOff, c.failure
	case waiting:
		switch c.failure {
		case resultUnusable:
			return member.Waiting, reasonUnusable
		case resultReplaced:
			return member.Waiting, reasonReplaced
		case resultUnidentified:
			return member.Waiting, reasonUnsure
		}
		return member.Waiting, reasonCredentials
	}
	if !c.unreadable.IsZero() {
		return member.Connecting, reasonUnreadable
	}
	return member.Connecting, reasonDialing
}

// Status returns where the connection stands. The caller owns the result.
func (c *Connection) Status() Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := Status{
		Cluster:       c.cluster,
		Since:         c.since,
		LastError:     c.lastError,
		LastErrorAt:   c.lastErrorAt,
		Attempt:       c.attempt,
		ClusterUID:    c.identity.UID,
		ByDigest:      ledger.ByDigest(c.identity.UID),
		ServerVersion: c.version,
		StaleStreams:  slices.Sorted(maps.Keys(c.stale)),
		Probes:        maps.Clone(c.probes),
		Reconnects:    maps.Clone(c.reconnects),

		ReachabilityProbes: maps.Clone(c.reached),

		Credential: c.expiry.credential, CredentialIssued: c.expiry.issued, CredentialExpires: c.expiry.expires,
	}
	s.State, s.Reason = c.stateLocked()
	if s.Reason == reasonDialing {
		now := time.Now()
		if err := c.plugin.hangs(now); err != nil {
			s.Reason, s.LastError, s.LastErrorAt = reasonPluginHangs, err.Error(), now
		}
	}
	if !c.ended && !c.paused && c.phase != live && c.stop == nil {
		s.NextRetry = c.probeAt
	}
	return s
}

// transition is a change of state that is worth a line in the log.
type transition struct {
	from, to  member.State
	reason    string
	lastError string
	attempt   int
	nextRetry time.Time
	byDigest  bool // the identity has become a digest
}

// noteLocked keeps since in step with the state, and returns what to log after
// unlocking, or nil. A suspicion is not logged, only what comes of it:
// otherwise a stream whose calls always fail would fill the log.
func (c *Connection) noteLocked(now time.Time) *transition {
	state, reason := c.stateLocked()
	if state != c.shown {
		c.shown, c.since = state, now
		c.broadcastLocked()
	}
	digest := ledger.ByDigest(c.identity.UID) && !c.toldDigest
	c.toldDigest = c.toldDigest || digest
	asking := c.phase == suspect || c.phase == live && c.silent
	if !digest && (asking && !c.paused && !c.ended || state == c.logged) {
		return nil
	}
	t := &transition{from: c.logged, to: state, reason: reason, byDigest: digest, attempt: c.attempt}
	if c.phase == backingOff || c.phase == waiting {
		t.lastError, t.nextRetry = c.lastError, c.probeAt
	}
	c.logged = state
	return t
}

func (c *Connection) tell(t *transition) {
	if t == nil {
		return
	}
	if t.byDigest {
		c.log.Info("The kube-system namespace cannot be read: a digest of server URL and CA stands for its UID; " +
			"allow get on it so that a replaced cluster is noticed for certain")
	}
	if t.from == t.to {
		return
	}
	kv := []any{"state", t.to, "was", t.from}
	if t.reason != "" {
		kv = append(kv, "reason", t.reason)
	}
	if t.lastError != "" {
		kv = append(kv, "error", t.lastError, "attempt", t.attempt, "nextRetry", t.nextRetry)
	}
	c.log.Info("Connection changed its state", kv...)
}
