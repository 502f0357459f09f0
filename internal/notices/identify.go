package notices

import (
	"fmt"
	"slices"
	"strings"
)

// identifiers are those of https://spdx.org/licenses, by what texts say.
var identifiers = []struct{ text, id string }{
	{"Apache License", "Apache-2.0"},
	{mozilla, "MPL-2.0"},
	{"Permission is hereby granted, free of charge", "MIT"},
	{"to use, copy, modify, and/or distribute this", "ISC"},
	{"to use, copy, modify, and distribute this", "ISC"},
}

// Identify returns the SPDX identifiers of the licences in a module's root, sorted. A text
// that is two licences has two. A licence of a kind that nobody has looked at is an error.
func Identify(m Module) ([]string, error) {
	texts, err := licencesIn(m.Dir)
	if err != nil {
		return nil, fmt.Errorf("read the licences of %s: %w", m.Path, err)
	}
	var found []string
	for name, text := range texts {
		if !isLicence(name) {
			continue
		}
		if err := recognise(name, text); err != nil {
			return nil, fmt.Errorf("%s %s: %w", m.Path, m.Version, err)
		}
		line := flat(text)
		for _, known := range identifiers {
			if strings.Contains(line, known.text) {
				found = append(found, known.id)
			}
		}
		if strings.Contains(line, "Redistribution and use in source and binary forms") {
			// The third clause forbids to use names of authors.
			found = append(found, map[bool]string{true: "BSD-3-Clause", false: "BSD-2-Clause"}[strings.Contains(line, "endorse or promote products")])
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s %s has no licence file in %s", m.Path, m.Version, m.Dir)
	}
	slices.Sort(found)
	return slices.Compact(found), nil
}
