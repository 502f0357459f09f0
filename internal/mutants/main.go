package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command(ctx, os.Stdout, os.Args[1:]); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

// command does what the arguments say, in the repository at the working directory.
func command(ctx context.Context, out io.Writer, args []string) error {
	flags := flag.NewFlagSet("mutants", flag.ContinueOnError)
	only := flags.String("run", "", "only the mutants whose rule, file or test matches this regular expression")
	list := flags.Bool("list", false, "show the table, and run nothing")
	page := flags.Bool("page", false, "write the table as a page, and run nothing")
	if err := flags.Parse(args); err != nil {
		return err
	}
	match, err := regexp.Compile(*only)
	if err != nil {
		return fmt.Errorf("-run: %w", err)
	}
	r, err := newRunner(".")
	if err != nil {
		return err
	}
	var chosen []mutant
	for _, m := range mutants() {
		if match.MatchString(m.rule + " " + m.edits[0].file + " " + m.test.String()) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		return fmt.Errorf("no mutant matches %q", *only)
	}
	if *page {
		return writePage(out, chosen)
	}
	if *list {
		for _, m := range chosen {
			if err := r.show(out, m, m.test.String()); err != nil {
				return err
			}
		}
		return nil
	}
	return r.judge(ctx, out, chosen)
}

// judge runs each mutant, and tells what became of it. The error says how many tests have not
// noticed theirs.
func (r *runner) judge(ctx context.Context, out io.Writer, all []mutant) error {
	alive := 0
	for _, m := range all {
		verdict, killed := r.judgeOne(ctx, m)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !killed {
			alive++
		}
		if err := r.show(out, m, verdict); err != nil {
			return err
		}
	}
	if alive > 0 {
		return fmt.Errorf("%d of %d mutants were not killed", alive, len(all))
	}
	_, err := fmt.Fprintf(out, "All %d mutants were killed.\n", len(all))
	return err
}

// show writes three lines: the rule, where it was in the product, and a text about it.
func (r *runner) show(out io.Writer, m mutant, text string) error {
	_, err := fmt.Fprintf(out, "%s\n    %s\n    %s\n", m.rule, m.place(r.root), text)
	return err
}

// judgeOne runs a test without and with a mutant, and says in words what that has shown.
func (r *runner) judgeOne(ctx context.Context, m mutant) (verdict string, killed bool) {
	if was := r.without(ctx, m.test); was.problem != nil {
		return fmt.Sprintf("NOT RUN: without the mutant, %s: %v", m.test, was.problem), false
	} else if !was.passed {
		return fmt.Sprintf("NOT RUN: without the mutant, %s fails: %s", m.test, was.message), false
	}
	is := r.with(ctx, m)
	switch {
	case is.problem != nil:
		return fmt.Sprintf("BROKEN: with the mutant, %s: %v", m.test, is.problem), false
	case is.passed:
		return fmt.Sprintf("SURVIVED: %s passes", m.test), false
	}
	return fmt.Sprintf("killed in %v by %s: %s", is.took.Round(time.Second), m.test, strings.TrimSpace(is.message)), true
}
