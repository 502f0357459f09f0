package page

import (
	"cmp"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/internal/redact"
	"github.com/fairlead-dev/fairlead/sources/member"
)

const (
	mostCauses   = 30
	mostExamples = 5
	// mostKinds bounds what is told apart while folding: members may say something new each
	// time. What comes after has one cause for all.
	mostKinds = 1000
	// soon is for how long credentials are good that are told of.
	soon = 7 * 24 * time.Hour
)

// causes folds what is wrong: what has the same state, reason and error, but for names and
// numbers in it, is one cause.
type causes struct {
	kinds map[string]*api.Cause
	order []*api.Cause
}

func (c *causes) add(one api.Cause, who string) {
	key := strings.Join([]string{one.What, one.Level, one.State, one.Reason, skeleton(one.Error, who)}, "\x00")
	of := c.kinds[key]
	if of == nil && len(c.kinds) >= mostKinds {
		one = api.Cause{What: one.What, Level: one.Level, Reason: "many other reasons", NextStep: one.NextStep, Since: one.Since}
		key = one.What + "\x00others"
		of = c.kinds[key]
	}
	if of == nil {
		of = &one
		of.Reason, of.Error, of.Examples = redact.Line(one.Reason, mostText), redact.Line(one.Error, mostText), []string{}
		c.kinds[key] = of
		c.order = append(c.order, of)
	}
	of.Count++
	if of.Since.IsZero() || !one.Since.IsZero() && one.Since.Before(of.Since) {
		of.Since = one.Since
	}
	if of.NextRetry.IsZero() || !one.NextRetry.IsZero() && one.NextRetry.Before(of.NextRetry) {
		of.NextRetry = one.NextRetry
	}
	if who != "" && len(of.Examples) < mostExamples && !slices.Contains(of.Examples, who) {
		of.Examples = append(of.Examples, who)
	}
}

// numbers are what differs between two errors with one cause: addresses, ports, times, and
// the digits and hexadecimal ids of names.
var numbers = regexp.MustCompile(`\[[0-9a-fA-F:.]+\]|[0-9a-fA-F]*[0-9][0-9a-fA-F]*([.:-][0-9a-fA-F]+)*`)

// skeleton is what errors with one cause have in common.
func skeleton(text, name string) string {
	if text == "" {
		return ""
	}
	text = withoutWord(text, name)
	if host := strings.Index(text, "://"); host >= 0 { // of the URL that a request went to
		end := strings.IndexAny(text[host+3:], "/ \"")
		if end < 0 {
			end = len(text) - host - 3
		}
		text = text[:host+3] + "…" + text[host+3+end:]
	}
	return numbers.ReplaceAllString(redact.Cut(text, mostText), "#")
}

// withoutWord has a sign in the place of each word, but not where it is a part of another.
func withoutWord(text, word string) string {
	var b strings.Builder
	inWord := func(r rune, size int) bool { return size > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r)) }
	for word != "" {
		i := strings.Index(text, word)
		if i < 0 {
			break
		}
		end := i + len(word)
		if inWord(utf8.DecodeLastRuneInString(text[:i])) || inWord(utf8.DecodeRuneInString(text[end:])) {
			b.WriteString(text[:end])
		} else {
			b.WriteString(text[:i] + "…")
		}
		text = text[end:]
	}
	return b.String() + text
}

// foldedCauses are those that are shown, and how many more there are.
type foldedCauses struct {
	shown []api.Cause
	more  int
}

// causesOf finds everything that is wrong. Sinks, ledger and election come first, then
// what is bad, then what concerns most.
func causesOf(s *snapshot) (all []api.Cause, more int) {
	c := causes{kinds: map[string]*api.Cause{}}
	c.addWhole(&s.status)
	whole := len(c.order)
	for _, p := range s.status.Paused {
		c.add(api.Cause{What: "pauses", Level: warn, Reason: "paused " + p.Said(), Since: p.Since,
			NextStep: "End it with fairlead resume when what it is for is done. Nothing is lost meanwhile."}, p.String())
	}
	for i := range s.status.Sinks {
		c.addRefused(&s.status.Sinks[i])
	}
	for i := range s.status.Clusters {
		c.addCluster(&s.status.Clusters[i], s.at)
	}
	for _, p := range s.status.Problems {
		c.add(api.Cause{
			What: "descriptions of clusters", Level: bad, Reason: "cannot be used as they are", Error: p.Error, Since: p.Since,
			NextStep: "Mend the description; Fairlead reads it again by itself.",
		}, cmp.Or(p.Cluster, p.Source))
	}
	slices.SortStableFunc(c.order[whole:], func(a, b *api.Cause) int {
		return cmp.Or(slices.Index(levels, b.Level)-slices.Index(levels, a.Level), cmp.Compare(b.Count, a.Count), a.Since.Compare(b.Since))
	})
	all = []api.Cause{}
	for _, of := range c.order[:min(len(c.order), mostCauses)] {
		all = append(all, *of)
	}
	return all, len(c.order) - len(all)
}

// addWhole adds what concerns more than one cluster.
func (c *causes) addWhole(s *api.Status) {
	if e := s.Election; e != nil && (e.Refused != "" || e.LastError != "" || !e.UnrenewedSince.IsZero()) {
		reason := "the lock cannot be read or written"
		if !e.UnrenewedSince.IsZero() {
			reason = "the lock is not renewed: this process soon stops delivering, unless it can renew it"
		}
		c.add(api.Cause{What: "elections", Level: bad, Reason: cmp.Or(e.Refused, reason), Error: e.LastError, Since: e.UnrenewedSince,
			NextStep: "See whether the lock can be reached: " + redact.Line(e.Lock, 200)}, e.Identity)
	}
	if g := s.Config; g != nil && g.Error != "" {
		c.add(api.Cause{What: "configuration files", Level: warn, Reason: "the file's values are not in effect", Error: g.Error,
			NextStep: "Mend the file. Until then the values of before count."}, g.File)
	}
	if l := s.Ledger; !l.Healthy {
		c.add(api.Cause{What: "ledgers", Level: bad, Reason: "cannot be written: delivery pauses", Error: l.LastError, Since: l.Since, NextRetry: l.NextRetry,
			NextStep: "Make room, or mend the volume or database; Fairlead goes on by itself."}, l.Path)
	}
	for i := range s.Sinks {
		k := &s.Sinks[i]
		if !k.Status.Healthy && k.LastError != "" {
			c.add(api.Cause{What: "routes", Level: bad, Reason: "the sink fails as a whole; nothing is lost, and it is tried again", Error: k.LastError,
				Since: k.Since, NextRetry: k.NextRetry, NextStep: "See why the destination does not take writes: " +
					"reachability, credentials, and whether table, topic or bucket exist."}, k.Name)
		}
	}
}

// addRefused adds the clusters of which a sink refuses single changes.
func (c *causes) addRefused(k *api.Sink) {
	for _, r := range k.Refused {
		c.add(api.Cause{What: "clusters", Level: warn, Reason: "the sink of " + k.Name + " refuses changes", Error: r.Reason, Since: r.Since,
			NextStep: "Change what the sink refuses, or the sink; each change is tried again until it is accepted or a dead letter."}, r.Cluster)
	}
}

// addCluster adds what is wrong with one cluster.
func (c *causes) addCluster(of *api.Cluster, at time.Time) {
	if level := levelOf(of.State); level == bad || level == warn {
		c.add(api.Cause{What: "clusters", Level: level, State: string(of.State), Reason: of.Reason, Error: of.LastError, Since: of.Since, NextRetry: of.NextRetry,
			NextStep: nextStep(of.State, of.Reason), Query: query("state:", string(of.State), of.Reason)}, of.Name)
		return // its streams cannot be well either
	}
	var differences, failed, missing uint64
	for i := range of.Streams {
		st := &of.Streams[i]
		level := levelOf(st.State)
		if level == bad || level == warn {
			c.add(api.Cause{What: "streams", Level: level, State: string(st.State), Reason: st.Reason, Error: st.LastError, Since: st.Since, NextRetry: st.NextRetry,
				NextStep: nextStep(st.State, st.Reason), Query: "is:degraded"}, of.Name)
		}
		if api.Differs(&st.Status, at) {
			differences += st.AuditDifferences
		}
		missing += uint64(st.Missing)
		for j := range st.Routes {
			if r := &st.Routes[j]; api.FilterFails(r, at) {
				failed += r.FilterErrors
			}
		}
	}
	simple := func(n uint64, level, reason, step string) {
		if n > 0 {
			c.add(api.Cause{What: "clusters", Level: level, Reason: reason, NextStep: step}, of.Name)
		}
	}
	simple(differences, bad, "audits have found objects that differed, and mended them",
		"Look at the log for which ones, and report it: a watch has lied, or Fairlead has a mistake.")
	simple(missing, bad, "objects are left out, since the cluster may have no more in the ledger",
		"Raise --max-objects or --max-ledger-bytes, or watch less of the cluster.")
	simple(failed, warn, "expressions of a selection fail on some objects, which are delivered nevertheless",
		"See the route's page for the last error, and mend the expression.")
	if expiresSoon(of, at) {
		c.add(api.Cause{What: "clusters", Level: warn, Reason: "the " + of.Credential + " expires soon",
			NextStep: "Renew it in the cluster's description, if nothing does that by itself. The cluster's page says when it ends."}, of.Name)
	}
	if l := of.Ledger; !l.Healthy && l.LastError != "" {
		c.add(api.Cause{What: "clusters", Level: bad, Reason: "the ledger does not take what there is of them", Error: l.LastError, Since: l.Since,
			NextStep: "See the ledger's error; delivery of these clusters pauses until then."}, of.Name)
	}
}

// expiresSoon reports whether the credentials of a cluster end within a week, or the last
// tenth of their time if that is less: some are renewed each hour.
func expiresSoon(c *api.Cluster, at time.Time) bool {
	if c.CredentialExpires.IsZero() {
		return false
	}
	left := soon
	if !c.CredentialIssued.IsZero() {
		left = min(left, c.CredentialExpires.Sub(c.CredentialIssued)/10)
	}
	return c.CredentialExpires.Before(at.Add(left))
}

// query is the filter of /status/clusters for those in a state, for a reason.
func query(field, state, reason string) string {
	q := field + strconv.Quote(state)
	if reason != "" && len(reason) < 100 {
		q += " reason:" + strconv.Quote(reason)
	}
	return q
}

// nextStep says what somebody can do about a state.
func nextStep(s member.State, reason string) string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(reason, w) })
	}
	switch {
	case has("credentials refused", "unauthorized"):
		return "Give new credentials in the cluster's description. Fairlead tries them as soon as they are there."
	case has("plugin"):
		return "Run the credential plugin of the kubeconfig by hand where Fairlead runs, as the same user."
	case has("another cluster"):
		return "See whether the address belongs to the cluster that is meant. If it was made anew, nothing is to be done but wait."
	case has("unusable"):
		return "Mend the kubeconfig: no request can be made with it."
	case has("forbidden"):
		return "Allow list and watch on the resource in the cluster."
	case has("resource missing", "not served", "gone", "not found"):
		return "Install the resource in the cluster, or watch it no more."
	case has("unreachable", "timeout", "refused"):
		return "See whether the API server runs, and whether it can be reached from here: address, firewall, proxy, CA."
	case has("unavailable", "throttled"):
		return "The API server answers with errors or asks for fewer requests: look at its own health."
	case has("invalid"):
		return "What answers is no Kubernetes API server: look for a proxy or login page in between."
	case s == member.Stale:
		return "Wait: Fairlead finds out whether the cluster still answers."
	default:
		return "Open the cluster's page for its streams and its last error."
	}
}

// oldest returns the earlier of two times, of which either may be none.
func oldest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
