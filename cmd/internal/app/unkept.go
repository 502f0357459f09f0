package app

import (
	"errors"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// checkUnkept reports what is asked for by name of resources of which a sink keeps nothing, see
// [sinks.Spec]: to watch one for such sinks alone, so that each of its changes would be read,
// count as delivered, and be gone; and a rule of such a sink for one. Who watches by wildcards
// has not asked for them, and who has another sink has them there.
func (s *settings) checkUnkept() error {
	var p problems
	for _, watched := range s.specs {
		keeps := func(sink *sinks.Spec) bool {
			return !slices.ContainsFunc(sink.Skips, func(resource string) bool { return isNamed(watched, resource) })
		}
		if len(s.sinks) > 0 && !watched.Wildcard() && !slices.ContainsFunc(s.sinks, keeps) {
			p.add("watch", "%s: no sink keeps anything of it, as hub: makes no records of Events, nor of records; leave it out, or add a sink that keeps it", watched)
		}
	}
	for _, sink := range s.sinks {
		rules := sink.Selection
		for _, rule := range slices.Concat(rules.Where, rules.Changed, rules.Unchanged, rules.Drop, rules.Redact, rules.Only, rules.Preset) {
			of, _, named := strings.Cut(rule, ":")
			if of = strings.TrimSpace(of); named && slices.Contains(sink.Skips, of) {
				p.add("sink", "%s: it has a rule for %s, and keeps nothing of it, as hub: makes no records of Events, nor of records; leave the rule out", sink.Identity, of)
			}
		}
	}
	return errors.Join(p...)
}

// isNamed reports whether a value of --watch names a resource, plural and group, by its plural
// or singular. One that it names otherwise is told of by the sink, once it has skipped it.
func isNamed(watched stream.Spec, resource string) bool {
	plural, group, _ := strings.Cut(resource, ".")
	return watched.Group == group && (watched.Resource == plural || watched.Resource+"s" == plural)
}
