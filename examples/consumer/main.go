package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"unicode"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "consumer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("consumer", flag.ContinueOnError)
	flags.SetOutput(stderr)
	once := flags.Bool("once", false, "end at the end of the file instead of following it")
	table := flags.Bool("print", false, "print the table at the end, as JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 {
		return errors.New("which file? Name the one that fairlead run --sink file:PATH writes")
	}
	t := NewTable()
	err := follow(ctx, flags.Arg(0), *once, func(line []byte) error {
		e, err := Parse(line)
		if err != nil {
			return err
		}
		if what := t.Apply(e); what != nothing && !*table {
			text := fmt.Sprintf("%s: %s %s %s %s", what, e.Cluster, e.Key().Resource, e.Namespace, e.Name)
			_, err = fmt.Fprintln(stdout, strings.Map(visible, text))
		}
		return err
	})
	if err != nil || !*table {
		return err
	}
	encoder := json.NewEncoder(stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(t.Rows())
}

// visible keeps what a member calls its objects from being a command to the
// terminal.
func visible(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}
