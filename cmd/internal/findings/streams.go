package findings

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/cmd/internal/api"
	"github.com/fairlead-dev/fairlead/sources/member"
)

// streams tells of the streams of a cluster that is live.
func (f *finder) streams(c *api.Cluster, probe *api.MemberProbe) {
	told := map[string]bool{} // resources, by name and namespace
	for i := range c.Streams {
		st := &c.Streams[i]
		resource := cmp.Or(st.Resource, st.Stream)
		about := api.Finding{Cluster: c.Name, Resource: resource, Since: st.Since}
		if code, what := whyNotRead(c, st); code != "" {
			told[resource], told[st.Stream] = true, true
			f.add(code, about, because(what, st.LastError))
		}
		f.stream(c, st, resource)
	}
	if probe != nil {
		f.rights(c, probe, told)
	}
	if s := c.Survey; s != nil && s.Beyond > 0 {
		f.add("FL1112", api.Finding{Cluster: c.Name, Since: s.Since}, fmt.Sprintf("There is no room for %d resources of cluster %s that wildcards stand for.", s.Beyond, c.Name))
	}
	if s := c.Survey; s != nil && (s.State == member.BackingOff || s.State == member.Waiting) {
		f.add("FL1106", api.Finding{Cluster: c.Name, Resource: strings.Join(s.Wildcards, ", "), Since: s.Since},
			because("What the wildcards stand for in cluster "+c.Name+" cannot be found out ("+s.Reason+")", s.LastError))
	}
}

// codesOfReasons are the codes for the reasons of streams, as docs/troubleshooting.md has
// them.
var codesOfReasons = map[string]struct{ code, what string }{
	"forbidden":        {"FL1101", "Cluster %s forbids to list or watch %s"},
	"unauthorized":     {"FL1005", "Cluster %s does not accept the credentials, for %s"},
	"missing":          {"FL1102", "Cluster %s does not serve %s"},
	"ambiguous":        {"FL1103", "In cluster %s, %s is the name of several resources"},
	"incomplete":       {"FL1104", "Cluster %s cannot tell of all its API groups, and %s may be in one of those"},
	"overlapping":      {"FL1105", "In cluster %s another stream follows what %s stands for"},
	"rejected":         {"FL1107", "Cluster %s refuses the request for %s"},
	"too_many_objects": {"FL1402", "Cluster %s has no more room in the ledger, for %s"},
}

// whyNotRead returns the code for a stream that waits for something; empty: it is live, or
// on its way to that.
func whyNotRead(c *api.Cluster, st *api.Stream) (code, what string) {
	resource := cmp.Or(st.Resource, st.Stream)
	reason := st.Reason
	if strings.HasPrefix(reason, "resource gone") {
		return "FL1102", fmt.Sprintf("Cluster %s does not serve %s any more (%s)", c.Name, resource, reason)
	}
	if st.State != member.BackingOff && st.State != member.Waiting {
		return "", ""
	}
	if known, ok := codesOfReasons[reason]; ok {
		return known.code, fmt.Sprintf(known.what, c.Name, resource)
	}
	if st.Attempt < 2 && st.State == member.BackingOff {
		return "", "" // one attempt may fail, as when a server ends its watches
	}
	return "FL1106", fmt.Sprintf("%s of cluster %s is not read (%s)", resource, c.Name, reason)
}

// stream tells what else a stream shows.
func (f *finder) stream(c *api.Cluster, st *api.Stream, resource string) {
	about := api.Finding{Cluster: c.Name, Resource: resource}
	if st.Missing > 0 {
		f.add("FL1402", about, fmt.Sprintf("%d objects of %s in cluster %s were left out, as it may have no more in the ledger (%d of %d objects, %d of %d bytes).",
			st.Missing, resource, c.Name, c.Ledger.Objects, c.Ledger.MaxObjects, c.Ledger.Bytes, c.Ledger.MaxBytes))
	}
	if n, reasons := rejected(st.Rejected); api.Rejects(&st.Status, n, f.Now) {
		f.add("FL1108", about, fmt.Sprintf("%d frames of %s in cluster %s were not handed on as they are (%s)%s%s.", n, resource, c.Name, reasons, f.last(st.LastRejected), still(st.Reduced)))
	}
	if api.Differs(&st.Status, f.Now) {
		f.add("FL1109", about, fmt.Sprintf("Audits of %s in cluster %s have found %d objects that differ, since the program started%s.", resource, c.Name, st.AuditDifferences, f.last(st.LastDifference)))
	}
	for i := range st.Routes {
		r := &st.Routes[i]
		about.Route = r.Route
		if api.FilterFails(r, f.Now) {
			f.add("FL1110", about, because(fmt.Sprintf("A filter of %s failed on %d states of %s in cluster %s%s%s", r.Route, r.FilterErrors, resource, c.Name,
				f.last(r.LastFilterErrorAt), still(r.FilterFailing)), r.LastFilterError))
		}
		if r.Filtered > 0 && r.Known == 0 && r.Unacked == 0 && st.State == member.Live {
			f.add("FL1111", about, fmt.Sprintf("Filters leave nothing of %s in cluster %s for %s: %d states were filtered out.", resource, c.Name, r.Route, r.Filtered))
		}
	}
}

// still says of how many objects something is so now, for a text; empty: of none.
func still(objects int) string {
	if objects == 0 {
		return ""
	}
	return fmt.Sprintf("; it is so of the newest state of %d objects", objects)
}

// rejected counts frames, but for those that there is no room for.
func rejected(by map[string]uint64) (n uint64, reasons string) {
	var names []string
	for _, reason := range slices.Sorted(maps.Keys(by)) {
		if reason != "too_many_objects" {
			n += by[reason]
			names = append(names, reason)
		}
	}
	return n, strings.Join(names, ", ")
}

// rights tells what a cluster has said that it does not allow or serve, unless a stream has
// told it.
func (f *finder) rights(c *api.Cluster, probe *api.MemberProbe, told map[string]bool) {
	for _, d := range probe.Denied {
		if told[d.Resource] {
			continue
		}
		where := "in all namespaces"
		if d.Namespace != "" {
			where = "in namespace " + d.Namespace
		}
		f.add("FL1101", api.Finding{Cluster: c.Name, Resource: d.Resource},
			because(fmt.Sprintf("Cluster %s forbids to %s %s %s", c.Name, strings.Join(d.Verbs, " and "), d.Resource, where), d.Why))
	}
	for _, u := range probe.Unserved {
		if !told[u.Resource] {
			f.add("FL1102", api.Finding{Cluster: c.Name, Resource: u.Resource}, because(fmt.Sprintf("Cluster %s does not serve %s", c.Name, u.Resource), u.Why))
		}
	}
}

// audits tells what audits that were asked for have found.
func (f *finder) audits() {
	for _, a := range f.Probes.Audits {
		about := api.Finding{Cluster: a.Cluster, Resource: a.Resource}
		switch {
		case a.Differences > 0:
			f.all = slices.DeleteFunc(f.all, func(one api.Finding) bool { // which counts the same
				return one.Code == "FL1109" && one.Cluster == a.Cluster && one.Resource == a.Resource
			})
			f.add("FL1109", about, fmt.Sprintf("An audit of %s in cluster %s has found %d objects that differ; a snapshot repairs them.", a.Resource, a.Cluster, a.Differences))
		case a.Result != "clean" && a.Result != "not_live":
			f.add("FL1113", about, because(fmt.Sprintf("An audit of %s in cluster %s came to nothing (%s)", a.Resource, a.Cluster, a.Result), a.Error))
		}
	}
}
