package daemon

import (
	"fmt"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a job runs next.
type Schedule interface {
	Next(after time.Time) time.Time
}

const everyHour = 1<<24 - 1 // the bits of SpecSchedule.Hour for 0 to 23

// Parse reads a schedule in cron syntax (five fields, or @every 10m, @hourly …) for a time zone. The parser is
// robfig/cron's; around it stand the cases that it gets wrong: it panics on CRON_TZ without fields, accepts days that
// never come (0 0 30 2 *), and where the clocks change it leaves a daily job out in spring and runs it twice in autumn.
// Here a job of a fixed hour runs exactly once a day: at the next valid time when its own does not exist.
func Parse(spec string, zone *time.Location) (s Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("schedule %q is not cron syntax", spec)
		}
	}()
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return parsed, nil // @every: an interval knows no clock
	}
	fields.Location = zone
	if fields.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("schedule %q never comes", spec)
	}
	if fields.Hour&everyHour == everyHour {
		return fields, nil
	}
	wall := *fields
	wall.Location = time.UTC
	return fixedHour{wall: &wall, zone: zone}, nil
}

// fixedHour counts on the clock on the wall, in which every day has 24 hours, and only then asks which instant it is.
type fixedHour struct {
	wall *cron.SpecSchedule // its location is UTC: the wall clock taken as if nothing ever changed
	zone *time.Location
}

// Next gives the first instant after t.
func (f fixedHour) Next(t time.Time) time.Time {
	local := t.In(f.zone)
	wall := onWall(local)
	for {
		wall = f.wall.Next(wall)
		if wall.IsZero() {
			return time.Time{}
		}
		// In a fold both instants carry the same wall time; instant gives the first, and if that is past, the day is done.
		if at := f.instant(wall); at.After(t) {
			return at
		}
	}
}

func onWall(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant gives the first instant at which the wall clock shows wall, or the end of the gap that swallowed it.
func (f fixedHour) instant(wall time.Time) time.Time {
	day := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, f.zone)
	if !onWall(day).Equal(wall) {
		start, end := day.ZoneBounds()
		if onWall(day).Before(wall) {
			return end // day stands before the gap
		}
		return start
	}
	if earlier := day.Add(-time.Hour); onWall(earlier).Equal(wall) {
		return earlier
	}
	return day
}
