package app

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

var (
	codeBlock  = regexp.MustCompile("(?ms)^ *```[a-z]*\n(.*?)^ *```")
	longFlag   = regexp.MustCompile(`(?:^|\s|\[)--([a-z][a-z0-9-]*)`)
	sinkOfFlag = regexp.MustCompile(`--sink[= ]('[^']*'|"[^"]*"|\S+)`)
)

// Each command on a page names flags that there are, and sinks that can be parsed.
func TestCommandsOfPages(t *testing.T) {
	root := NewCommand(Options{})
	commands, values := 0, 0
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "bin" || name == ".git" || name == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(path) != ".md" || entry.Name() == "CHANGELOG.md" {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, block := range codeBlock.FindAllSubmatch(text, -1) {
			for line := range strings.Lines(string(bytes.ReplaceAll(block[1], []byte("\\\n"), nil))) {
				_, arguments, is := strings.Cut(line, "fairlead ")
				// A comment, a pipe and what is quoted belong to others.
				if arguments, _, _ = strings.Cut(arguments, " #"); !is || strings.HasPrefix(line, "#") {
					continue
				}
				command := commandOf(root, arguments)
				if command == nil {
					continue
				}
				commands++
				for _, m := range sinkOfFlag.FindAllStringSubmatch(arguments, -1) {
					value := strings.Trim(m[1], `'"`)
					if strings.ContainsAny(value, "…$<") || strings.Contains(value, "...") {
						continue // a reader fills it in
					}
					if command.Name() == "diff" {
						continue // the name of one
					}
					values++
					if _, err := new(Options).sinkKinds().Parse(value); err != nil {
						t.Errorf("%s: %s: %v", path, strings.TrimSpace(line), err)
					}
				}
				own, _, _ := strings.Cut(sinkOfFlag.ReplaceAllString(arguments, ""), " | ")
				for _, m := range longFlag.FindAllStringSubmatch(own, -1) {
					if name := m[1]; name != "help" && command.Flags().Lookup(name) == nil && command.InheritedFlags().Lookup(name) == nil {
						t.Errorf("%s: %s: %s has no flag --%s", path, strings.TrimSpace(line), command.CommandPath(), name)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if commands < 30 || values < 20 {
		t.Errorf("found %d commands and %d sinks; are they written otherwise now?", commands, values)
	}
}

// commandOf returns the command that arguments begin with, or nil.
func commandOf(root *cobra.Command, arguments string) *cobra.Command {
	command, _, err := root.Find(strings.Fields(arguments))
	if err != nil || command == root {
		return nil
	}
	return command
}
