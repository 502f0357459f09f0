package app

import (
	"slices"
	"strings"

	"github.com/fairlead-dev/fairlead/sinks"
	"github.com/fairlead-dev/fairlead/sources/stream"
)

// unkept returns the resources that are watched by name and of which no sink keeps anything,
// see [sinks.Spec]: each of their changes is read, counts as delivered, and is gone.
func (s *settings) unkept() (all []string) {
	for _, watched := range s.specs {
		keeps := func(sink *sinks.Spec) bool {
			return !slices.ContainsFunc(sink.Skips, func(resource string) bool { return isNamed(watched, resource) })
		}
		if !watched.Wildcard() && !slices.ContainsFunc(s.sinks, keeps) {
			all = append(all, watched.String())
		}
	}
	return all
}

// isNamed reports whether a value of --watch names a resource, plural and group, by its plural
// or singular. One that it names otherwise is told of by the sink, once it has skipped it.
func isNamed(watched stream.Spec, resource string) bool {
	plural, group, _ := strings.Cut(resource, ".")
	return watched.Group == group && (watched.Resource == plural || watched.Resource+"s" == plural)
}
