package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
)

// What may be selected by: every object is of a colour, which changes, and in a
// namespace, of which there are several if there are several sinks.
const (
	colourLabel = "colour"
	red         = "red"
	blue        = "blue"
)

// selection is what is followed of a resource. The zero value is everything.
type selection struct {
	namespace string // empty: all
	labels    string // a selector; empty: all
}

// selections are all that there are. What is red and in the first namespace is in
// each of them.
var selections = []selection{
	{},
	{labels: colourLabel + "=" + red},
	{namespace: writtenTo[0]},
	{namespace: writtenTo[0], labels: colourLabel + "=" + red},
}

// watch returns it as a value of --watch.
func (s selection) watch(resource string) string {
	query := url.Values{}
	if s.namespace != "" {
		query.Set("namespace", s.namespace)
	}
	if s.labels != "" {
		query.Set("labelSelector", s.labels)
	}
	if len(query) == 0 {
		return resource
	}
	return resource + "?" + query.Encode()
}

// setting is what a process of the program is started with. It does not change.
type setting struct {
	out      []bool      // by sink: it is not among them
	selected []selection // by resource
}

// wide is the setting with all sinks and everything.
func wide(sinks int) setting {
	return setting{make([]bool, sinks), make([]selection, len(resources))}
}

// narrow is the setting with all sinks and as little as there may be.
func narrow(sinks int) setting {
	s := wide(sinks)
	for i := range s.selected {
		s.selected[i] = selections[len(selections)-1]
	}
	return s
}

func (s setting) equal(to setting) bool {
	return slices.Equal(s.out, to.out) && slices.Equal(s.selected, to.selected)
}

// settings are those of one process after the other. With one sink they are all
// the same.
type settings struct {
	random *rand.Rand
	now    setting
	round  []func()
}

func newSettings(seed uint64, sinks int) *settings {
	return &settings{random: rand.New(rand.NewPCG(seed, 3)), now: wide(sinks)}
}

// next returns the setting of the process that is started next: a sink is taken out
// or put back, another selection made, or nothing is changed.
func (s *settings) next() setting {
	sinks := len(s.now.out)
	if sinks < 2 {
		return s.now
	}
	s.now = setting{slices.Clone(s.now.out), slices.Clone(s.now.selected)}
	if len(s.round) == 0 {
		for range 2 {
			s.round = append(s.round, s.takeOutOrPutBack, s.selectAnew)
		}
		s.round = append(s.round, func() {})
		s.random.Shuffle(len(s.round), func(i, j int) { s.round[i], s.round[j] = s.round[j], s.round[i] })
	}
	s.round[0]()
	s.round = s.round[1:]
	return s.now
}

// takeOutOrPutBack does so with any sink but the first.
func (s *settings) takeOutOrPutBack() {
	i := 1 + s.random.IntN(len(s.now.out)-1)
	s.now.out[i] = !s.now.out[i]
}

// selectAnew changes what is followed of one resource.
func (s *settings) selectAnew() {
	i := s.random.IntN(len(s.now.selected))
	for was := s.now.selected[i]; s.now.selected[i] == was; {
		s.now.selected[i] = selections[s.random.IntN(len(selections))]
	}
}

// String names what is out and what is selected.
func (s setting) String() string {
	var text []string
	for i, r := range resources {
		text = append(text, s.selected[i].watch(r.Resource))
	}
	for i, out := range s.out {
		if out {
			text = append(text, fmt.Sprintf("without sink %d", i+1))
		}
	}
	return strings.Join(text, ", ")
}
