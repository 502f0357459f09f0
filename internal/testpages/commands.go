package testpages

import (
	"regexp"
	"strings"
)

// word is a word of a shell's command: parts in quotes and parts without.
var word = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)

// quoted is a part in quotes.
var quoted = regexp.MustCompile(`'([^']*)'|"([^"]*)"`)

// Command is what a shell is told in one line: a program, and its arguments. Nothing is expanded.
type Command []string

// Commands returns the commands of a block for a shell, one for each line that is no comment and
// does not go on.
func Commands(text string) (all []Command) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", " ")) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		var c Command
		for _, w := range word.FindAllString(line, -1) {
			c = append(c, quoted.ReplaceAllString(w, "$1$2"))
		}
		all = append(all, c)
	}
	return all
}

// Flag returns the values of a flag, such as --topic, in their order.
func (c Command) Flag(name string) (values []string) {
	for i, w := range c {
		if value, is := strings.CutPrefix(w, name+"="); is {
			values = append(values, value)
		} else if w == name && i+1 < len(c) {
			values = append(values, c[i+1])
		}
	}
	return values
}
