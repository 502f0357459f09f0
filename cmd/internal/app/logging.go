package app

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/go-logr/logr"

	"github.com/fairlead-dev/fairlead/internal/redact"
)

func parseLevel(s string) (slog.Level, error) {
	switch s {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn":
		return slog.LevelWarn, nil
	case "error":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is none of debug, info, warn, error", s)
}

// newLeveledLogger returns a logger that writes to w. The format has been checked. What looks
// like a credential is left out: errors of the hub's clients, and of others that know nothing of
// credentials, may quote what a server has sent back.
func newLeveledLogger(w io.Writer, level slog.Leveler, format string) logr.Logger {
	clean := redact.New().Clean
	o := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr { return loggable(a, clean) }}
	if format == "json" {
		return logr.FromSlogHandler(slog.NewJSONHandler(w, o))
	}
	return logr.FromSlogHandler(slog.NewTextHandler(w, o))
}

// loggable returns what is logged of a value: a text or an error without credentials, and a duration with
// its unit, where JSON would have a number of nanoseconds that looks like one of something else.
func loggable(a slog.Attr, clean func(string) string) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindDuration:
		a.Value = slog.StringValue(a.Value.Duration().String())
	case slog.KindString:
		a.Value = slog.StringValue(clean(a.Value.String()))
	case slog.KindAny:
		if err, ok := a.Value.Any().(error); ok {
			a.Value = slog.StringValue(clean(textOf(err)))
		}
	}
	return a
}

// textOf returns what an error says. One that cannot say it, such as a nil pointer, is no
// reason to end the program.
func textOf(err error) (text string) {
	defer func() {
		if recover() != nil {
			text = fmt.Sprintf("an error of type %T that cannot be shown", err)
		}
	}()
	return err.Error()
}
