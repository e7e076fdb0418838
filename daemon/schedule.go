package daemon

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/robfig/cron/v3"
)

// Schedule says when a job runs next.
type Schedule interface {
	Next(after time.Time) time.Time
}

// Parse reads a schedule in cron syntax (five fields, or @every 10m, @hourly …) for a time zone. A zone of its own before the
// fields (CRON_TZ=…) is refused: the zone of the configuration holds for all schedules. The day of the week is 0 to 7, and both ends are Sunday (crontab(5)). The parser is robfig/cron's;
// around it stand the cases that it gets wrong: it panics on CRON_TZ without fields, refuses a 7, accepts days that never come (0 0
// 30 2 *), and where the clocks change it leaves a daily job out in spring and runs it twice in autumn. Here a job of fixed hours
// and minutes runs exactly once at each of them: at the next valid time when its own does not exist. One whose minute or hour
// begins with a star keeps its pace over the change, as cron(8) does.
func Parse(spec string, zone *time.Location) (s Schedule, err error) {
	defer func() {
		if r := recover(); r != nil {
			s, err = nil, fmt.Errorf("schedule %q is not cron syntax", spec)
		}
	}()
	fields := strings.Fields(spec)
	if len(fields) > 0 && (strings.HasPrefix(fields[0], "CRON_TZ=") || strings.HasPrefix(fields[0], "TZ=")) {
		return nil, fmt.Errorf("schedule %q has a zone of its own: time_zone in the configuration sets it for all schedules", spec)
	}
	if len(fields) == 5 {
		fields[4] = sundays(fields[4])
	}
	parsed, err := cron.ParseStandard(strings.Join(fields, " "))
	if err != nil {
		return nil, fmt.Errorf("schedule %q: %w", spec, err)
	}
	times, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return parsed, nil // @every: an interval knows no clock
	}
	times.Location = zone
	if times.Next(time.Unix(0, 0)).IsZero() {
		return nil, fmt.Errorf("schedule %q never comes", spec)
	}
	if len(fields) == 5 && (fields[0][0] == '*' || fields[1][0] == '*') || fields[0] == "@hourly" {
		return times, nil
	}
	wall := *times
	wall.Location = time.UTC
	return fixedHour{wall: &wall, zone: zone}, nil
}

// sundays writes the day 7 of a field of days as the day 0, alone or as the end of a range: 5-7 is 5-6,0. What is no such field stays
// as it is, for the parser to refuse.
func sundays(field string) string {
	var out []string
	for part := range strings.SplitSeq(field, ",") {
		days, step, stepped := strings.Cut(part, "/")
		from, to, ranged := strings.Cut(days, "-")
		switch {
		case !ranged && days == "7":
			days = "0"
		case ranged && to == "7" && from == "7":
			days = "0"
		case ranged && to == "7" && !stepped && from == "0":
			days = "0-6"
		case ranged && to == "7" && !stepped:
			days = from + "-6,0"
		case ranged && to == "7":
			days = stepsTo7(from, step)
			stepped = false
		}
		if stepped {
			days += "/" + step
		}
		out = append(out, days)
	}
	return strings.Join(out, ",")
}

// stepsTo7 lists the days of a range that ends with 7 and has a step; what is not numbers comes back for the parser to refuse.
func stepsTo7(from, step string) string {
	first, err := strconv.Atoi(from)
	by, bad := strconv.Atoi(step)
	if err != nil || bad != nil || by < 1 || first < 0 || first > 7 {
		return from + "-7/" + step
	}
	var days []string
	for d := first; d <= 7; d += by {
		days = append(days, strconv.Itoa(d%7))
	}
	return strings.Join(days, ",")
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
