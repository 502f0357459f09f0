package app

import (
	"errors"
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// unkept returns the resources that are watched by name and of which no sink keeps anything, see
// [sinks.Spec]: each of their changes would be read, count as delivered, and be gone. Who watches
// by wildcards has not asked for them, and who has another sink has them there.
func (s *settings) unkept() (all []string) {
	for _, watched := range s.specs {
		keeps := func(sink *sinks.Spec) bool {
			return !slices.ContainsFunc(sink.Skips, func(resource string) bool { return isNamed(watched, resource) })
		}
		if len(s.sinks) > 0 && !watched.Wildcard() && !slices.ContainsFunc(s.sinks, keeps) {
			all = append(all, watched.String())
		}
	}
	return all
}

// checkUnkept reports what unkept returns.
func (s *settings) checkUnkept() error {
	var p problems
	for _, watched := range s.unkept() {
		p.add("watch", "%s: no sink keeps anything of it, as hub: makes no records of Events, nor of records; leave it out, or add a sink that keeps it", watched)
	}
	return errors.Join(p...)
}

// isNamed reports whether a value of --watch names a resource, plural and group, by its plural
// or singular. One that it names otherwise is told of by the sink, once it has skipped it.
func isNamed(watched stream.Spec, resource string) bool {
	plural, group, _ := strings.Cut(resource, ".")
	return watched.Group == group && (watched.Resource == plural || watched.Resource+"s" == plural)
}
