/* SPDX-License-Identifier: MIT */
/* Stored replies and the text a person gets for them. */
#include "client/render.h"

#include <errno.h>
#include <locale.h>
#include <string.h>

#include "client/field.h"
#include "client/render_event.h"
#include "client/render_list.h"
#include "client/render_table.h"
#include "client/render_time.h"
#include "client/watch.h"
#include "tests/test.h"

#define BOOT "00000000-0000-0000-0000-00000000b007"

/* A page of text instead of a terminal. */
struct page {
    struct screen screen;
    char *text;
    size_t n_bytes;
};

static int set_up(void **state) {
    static struct page page;

    page =
        (struct page){ .screen = { .unicode = true, .now_ns = 100 * NS_PER_S, .boot_id = BOOT } };
    page.screen.out = open_memstream(&page.text, &page.n_bytes);
    *state = &page;
    return page.screen.out && setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

static int tear_down(void **state) {
    struct page *page = *state;
    const int r = fclose(page->screen.out);

    free(page->text);
    return r;
}

static void assert_page(struct page *page, const char *text) {
    assert_int_equal(fflush(page->screen.out), 0);
    assert_string_equal(page->text, text);
}

static json_t *read_json(const char *text) {
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);

    assert_non_null(json);
    return json;
}

static const char event_text[] =
    "{'sequence': 9, 'phase': 'begin', 'task': 'yard', 'label': 'siren', 'confidence': 0.93,"
    " 'began': {'monotonic_ns': '1000000000'},"
    " 'at': {'boot_id': '" BOOT "', 'monotonic_ns': '3500000000',"
    "        'wall': '2026-11-21T14:03:22.512345+01:00', 'synchronised': true},"
    " 'evidence': [{'modality': 'sound', 'sensor': 'mic', 'present': true, 'age_ms': 12.4, "
    "'quality': 1.0, 'share': 0.61},"
    "  {'modality': 'picture', 'sensor': 'gate', 'present': true, 'age_ms': 80, 'quality': 0.3,"
    "   'quality_reason': 'dark', 'share': -0.08},"
    "  {'modality': 'video', 'sensor': '', 'present': false}],"
    " 'skew_ms': 18.2, 'latency_ms': {'encode': 2.5}, 'bundle': 'yard', 'bundle_version': '1.0.0',"
    " 'bundle_sha256': '0123456789abcdef'}";

/* The event above with @from replaced by @to of the same length. */
static json_t *event_with(const char *from, const char *to) {
    char text[sizeof(event_text)], *place;

    (void) memcpy(text, event_text, sizeof(text));
    for (char *c = text; *c; c++)
        if (*c == '\'')
            *c = '"';
    place = strstr(text, from);
    assert_non_null(place);
    (void) memcpy(place, to, strlen(to));
    return read_json(text);
}

static void an_event_says_what_each_modality_contributed(void **state) {
    struct page *page = *state;
    json_t *event = event_with("begin", "begin");

    event_heading(&page->screen);
    event_line(&page->screen, event);
    event_details(&page->screen, event);
    assert_page(page,
                "TIME        PHASE   LABEL         CONFIDENCE        BECAUSE OF\n"
                "14:03:22.5  begin   siren         █████████░  93 %  sound  +61 %, picture   -8 "
                "% (dark, quality 30 %), video missing\n"
                "            sensors  mic (sound) 12 ms old, gate (picture) 80 ms old, no "
                "sensor (video) missing\n"
                "            latency  encode 2.5 ms; sensors 18.2 ms apart\n"
                "            task     yard, yard 1.0.0, sha256 0123456789ab, event 9\n");
    json_decref(event);
}

static void modalities_that_are_each_sure_alone_are_told(void **state) {
    struct page *page = *state;
    json_t *event = read_json(
        "{\"phase\": \"update\", \"label\": \"dog\", \"confidence\": 0.99, \"evidence\": ["
        "{\"modality\": \"sound\", \"present\": true, \"quality\": 1, \"share\": 0.05},"
        "{\"modality\": \"picture\", \"present\": true, \"quality\": 1, \"share\": -0.001}]}");

    event_line(&page->screen, event);
    assert_page(page, "--:--:--.-  update  dog           ██████████  99 %  sound   +5 %, picture   "
                      "+0 %, each sure alone\n");
    json_decref(event);
}

static void on_80_columns_all_that_agree_fit(void **state) {
    struct page *page = *state;
    json_t *event = read_json(
        "{\"phase\": \"update\", \"label\": \"dog\", \"confidence\": 0.99, \"evidence\": ["
        "{\"modality\": \"sound\", \"present\": true, \"quality\": 1, \"share\": 0.05},"
        "{\"modality\": \"picture\", \"present\": true, \"quality\": 1, \"share\": -0.001}]}");

    page->screen.columns = 80;
    event_line(&page->screen, event);
    assert_page(
        page, "--:--:--.-  update  dog            99 %  sound   +5 %, picture   +0 %, all sure\n");
    json_decref(event);
}

static void an_event_that_ends_says_how_long_it_was(void **state) {
    struct page *page = *state;
    json_t *event = event_with("\"begin\"", "\"end\"  ");

    event_line(&page->screen, event);
    assert_page(page, "14:03:22.5  end     siren         █████████░  93 %  lasted 2.5 s\n");
    json_decref(event);
}

static void a_narrow_terminal_has_no_bar_and_cuts_the_end(void **state) {
    struct page *page = *state;
    json_t *event = event_with("begin", "begin");

    page->screen.columns = 60;
    event_heading(&page->screen);
    event_line(&page->screen, event);
    assert_page(page, "TIME        PHASE   LABEL         SURE   BECAUSE OF\n"
                      "14:03:22.5  begin   siren          93 %  sound  +61 %, pict…\n");
    json_decref(event);
}

static void colours_are_for_terminals_that_have_them(void **state) {
    struct page *page = *state;
    json_t *change =
        read_json("{\"sensor\": \"gate\", \"state\": \"lost\", \"reason\": \"unplugged\"}");

    page->screen.colour = true;
    change_line(&page->screen, change);
    assert_page(page, "\033[2m--:--:--.-\033[0m  \033[31msensor\033[0m  \033[31mgate is lost: "
                      "unplugged\033[0m\n");
    json_decref(change);
}

static void nothing_that_a_terminal_obeys_gets_through(void **state) {
    struct page *page = *state;
    json_t *change =
        read_json("{\"sensor\": \"a\\u001b[2J\\u009b\\u202e\\n\", \"state\": \"x\\u0007\"}");

    change_line(&page->screen, change);
    assert_page(page, "--:--:--.-  sensor  a�[2J��� is x�\n");
    json_decref(change);
}

static void outside_utf8_only_ascii_is_written(void **state) {
    struct page *page = *state;

    page->screen.unicode = false;
    screen_cell(&page->screen, COLOUR_NONE, "Tür", 5);
    screen_bar(&page->screen, 0.5, 4);
    (void) screen_text(&page->screen, COLOUR_NONE, "abcdef", 4);
    assert_page(page, "T?r  ##..abc~");
}

static void broken_utf8_is_replaced_byte_by_byte(void **state) {
    struct page *page = *state;

    assert_int_equal(screen_text(&page->screen, COLOUR_NONE, "a\xc3(\xff\xe2\x82", SIZE_MAX), 6);
    assert_page(page, "a�(���");
}

static void wide_characters_take_two_columns(void **state) {
    struct page *page = *state;

    assert_int_equal(screen_columns(&page->screen, "門前"), 4);
    screen_cell(&page->screen, COLOUR_NONE, "門前", 3);
    (void) fputc('|', page->screen.out);
    assert_page(page, "門…|");
}

static void odd_replies_render_as_empty(void **state) {
    static const char *const texts[] = {
        "null",
        "{}",
        "[]",
        "7",
        "{\"evidence\": 7, \"at\": [], \"latency_ms\": \"x\"}",
        "{\"evidence\": [1, null, {\"present\": true, \"share\": \"x\"}], \"confidence\": 1e300}",
        "{\"at\": {\"wall\": \"T\"}, \"label\": 7, \"phase\": null, \"confidence\": -1e300}"
    };
    struct page *page = *state;

    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        json_t *odd = read_json(texts[i]), *list = json_pack("[O]", odd);
        event_line(&page->screen, odd);
        event_details(&page->screen, odd);
        change_line(&page->screen, odd);
        scores_line(&page->screen, odd, "", odd);
        assert_int_equal(render_sensors(&page->screen, list, 0), 0);
        assert_int_equal(render_tasks(&page->screen, list, 0), 0);
        assert_int_equal(render_bundles(&page->screen, list, 0), 0);
        assert_int_equal(render_settings(&page->screen, list, 0), 0);
        assert_int_equal(render_devices(&page->screen, list, 0), 0);
        json_decref(list);
        json_decref(odd);
    }
}

static void the_best_scores_come_first(void **state) {
    struct page *page = *state;
    json_t *scores = read_json(
        "{\"a\": 0.1, \"b\": 0.5, \"c\": 0.2, \"d\": 0.05, \"e\": 0.3, \"f\": 0.01, \"g\": 0.4}");

    scores_line(&page->screen, scores, "yard", NULL);
    assert_page(page, "            scores  yard          b 0.50  g 0.40  e 0.30  c 0.20  a 0.10\n");
    json_decref(scores);
}

static void a_task_without_a_sensor_says_so(void **state) {
    struct page *page = *state;
    json_t *list = read_json("[{\"name\": \"t\", \"bundle\": \"yard\", \"state\": \"stopped\","
                             "  \"present\": [], \"scores\": {}, \"reason\": null}]");

    assert_int_equal(render_tasks(&page->screen, list, 0), 0);
    assert_page(page, "NAME  BUNDLE  STATE    HAS NOW  WHY\n"
                      "t     yard    stopped  nothing  none of its sensors delivers\n");
    json_decref(list);
}

static void sensors_are_a_table_with_times_since_then(void **state) {
    struct page *page = *state;
    json_t *list = read_json(
        "[{\"name\": \"gate\", \"kind\": \"camera\", \"state\": \"running\", \"quality\": 0.5,"
        "  \"since\": {\"boot_id\": \"" BOOT "\", \"monotonic_ns\": \"25000000000\"},"
        "  \"rate\": 10, \"format\": \"YUYV 640x480\", \"device\": \"/dev/video0\"},"
        " {\"name\": \"mic\", \"kind\": \"microphone\", \"state\": \"lost\", \"quality\": 0,"
        "  \"since\": {\"boot_id\": \"other\", \"wall\": \"2026-11-21T14:03:22.512345+01:00\"},"
        "  \"reason\": \"unplugged\", \"n_lost\": 2, \"device\": \"hw:1\"}]");

    assert_int_equal(render_sensors(&page->screen, list, 1), 0);
    assert_page(page, " NAME  KIND        STATE    FOR         QUALITY  GAPS  LOST  FORMAT         "
                      "     DEVICE       WHY\n"
                      " gate  camera      running  1 min 15 s     50 %     0     0  YUYV 640x480, "
                      "10/s  /dev/video0\n"
                      " mic   microphone  lost                             0     2                 "
                      "     hw:1         unplugged\n");
    json_decref(list);
}

static void a_narrow_terminal_gets_less_of_a_sensor_and_why_below_it(void **state) {
    struct page *page = *state;
    json_t *list = read_json(
        "[{\"name\": \"mic\", \"kind\": \"microphone\", \"state\": \"lost\", \"quality\": 0,"
        "  \"reason\": \"unplugged\", \"n_lost\": 2, \"device\": \"hw:CARD=Something\","
        "  \"format\": \"S16_LE mono\"}]");

    page->screen.columns = 50;
    assert_int_equal(render_sensors(&page->screen, list, 1), 0);
    assert_page(page, " NAME  KIND        STATE  GAPS  LOST\n"
                      " mic   microphone  lost      0     2\n"
                      "   unplugged\n");
    json_decref(list);
}

static void a_device_is_told_by_its_name_for_the_ini(void **state) {
    struct page *page = *state;
    json_t *list = read_json(
        "[{\"kind\": \"camera\", \"device\": \"/dev/video0\", \"stable\": "
        "\"/dev/v4l/by-id/usb-C920\","
        "  \"name\": \"HD Pro Webcam C920\", \"driver\": \"uvcvideo\", \"formats\": \"YUYV "
        "640x480\","
        "  \"holder\": \"pid 7 (cheese)\"},"
        " {\"kind\": \"microphone\", \"device\": \"hw:1\", \"name\": \"USB\", \"holder\": null}]");

    page->screen.columns = 70;
    assert_int_equal(render_devices(&page->screen, list, 0), 0);
    assert_page(page, "KIND        NAME       DEVICE =                 DRIVER    FORMATS\n"
                      "camera      HD Pro W…  /dev/v4l/by-id/usb-C920  uvcvideo  YUYV 640x480\n"
                      "  in use by pid 7 (cheese)\n"
                      "microphone  USB        hw:1\n");
    json_decref(list);
}

static void settings_name_their_section_once(void **state) {
    struct page *page = *state;
    json_t *list = read_json("[{\"section\": \"lookoutd\", \"key\": \"dbus\", \"value\": \"yes\", "
                             "\"origin\": \"default\"},"
                             " {\"section\": \"lookoutd\", \"key\": \"keys\", \"value\": \"\", "
                             "\"origin\": \"/etc/l.ini:3\"},"
                             " {\"section\": \"camera gate\", \"key\": \"size\", \"value\": "
                             "\"640x480\", \"origin\": \"default\"}]");

    assert_int_equal(render_settings(&page->screen, list, 0), 0);
    assert_page(page, "SECTION      KEY   VALUE    SET BY\n"
                      "lookoutd     dbus  yes      default\n"
                      "             keys           /etc/l.ini:3\n"
                      "camera gate  size  640x480  default\n");
    json_decref(list);
}

static void a_table_shrinks_its_widest_column_on_a_terminal(void **state) {
    static const struct column columns[] = { { .heading = "A", .shrink = true },
                                             { .heading = "B", .right = true } };
    struct page *page = *state;
    _cleanup_(table_freep) struct table *table = NULL;

    assert_int_equal(table_new(columns, 2, &table), 0);
    assert_int_equal(table_add(table, COLOUR_NONE, "0123456789abcdef"), 0);
    assert_int_equal(table_addf(table, COLOUR_NONE, "%d", 42), 0);
    page->screen.columns = 14;
    table_write(table, &page->screen, 0);
    assert_page(page, "A            B\n012345678…  42\n");
}

static void spans_have_the_unit_a_person_expects(void **state) {
    static const struct {
        int64_t ns;
        const char *text;
    } cases[] = { { -5, "0.0 s" },
                  { 400 * NS_PER_MS, "0.4 s" },
                  { 59 * NS_PER_S, "59 s" },
                  { 185 * NS_PER_S, "3 min 5 s" },
                  { 7800 * NS_PER_S, "2 h 10 min" },
                  { 360000 * NS_PER_S, "4 d 4 h" },
                  { INT64_MAX, "106751 d 23 h" } };
    char text[TIME_BYTES];

    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        time_span(cases[i].ns, text);
        assert_string_equal(text, cases[i].text);
    }
}

static void a_cursor_is_a_sequence_with_or_without_its_boot(void **state) {
    struct cursor cursor;

    assert_int_equal(cursor_parse("17", &cursor, NULL), 0);
    assert_int_equal(cursor.sequence, 17);
    assert_string_equal(cursor.boot_id, "");
    assert_int_equal(cursor_parse(BOOT ":3", &cursor, NULL), 0);
    assert_string_equal(cursor.boot_id, BOOT);
    assert_int_equal(cursor_parse("", &cursor, NULL), -EINVAL);
    assert_int_equal(cursor_parse("-1", &cursor, NULL), -EINVAL);
    assert_int_equal(cursor_parse("3x", &cursor, NULL), -EINVAL);
    assert_int_equal(cursor_parse(BOOT "longer-than-a-boot-id:3", &cursor, NULL), -EINVAL);
    assert_int_equal(cursor_parse("99999999999999999999", &cursor, NULL), -EINVAL);
}

static void the_cursor_follows_and_the_summary_counts(void **state) {
    struct page *page = *state;
    json_t *event = event_with("begin", "begin"),
           *reply = json_pack("{s: O, s: i}", "event", event, "gap", 2);
    struct cursor cursor = { 0 };
    struct tally tally = { 0 };

    cursor_follow(&cursor, reply);
    tally_count(&tally, reply);
    tally_write(&page->screen, &tally, 65 * NS_PER_S, &cursor);
    assert_page(page, "\n1 event in 1 min 5 s, 2 earlier no longer kept\n"
                      "  LABEL  EVENTS  BEST  LONGEST\n"
                      "  siren       1  93 %    2.5 s\n"
                      "Go on from here: lookoutctl watch --since " BOOT ":9\n");
    json_decref(event);
    json_decref(reply);
}

int main(void) {
#define PAGED(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        PAGED(an_event_says_what_each_modality_contributed),
        PAGED(modalities_that_are_each_sure_alone_are_told),
        PAGED(on_80_columns_all_that_agree_fit),
        PAGED(an_event_that_ends_says_how_long_it_was),
        PAGED(a_narrow_terminal_has_no_bar_and_cuts_the_end),
        PAGED(colours_are_for_terminals_that_have_them),
        PAGED(nothing_that_a_terminal_obeys_gets_through),
        PAGED(outside_utf8_only_ascii_is_written),
        PAGED(broken_utf8_is_replaced_byte_by_byte),
        PAGED(wide_characters_take_two_columns),
        PAGED(odd_replies_render_as_empty),
        PAGED(the_best_scores_come_first),
        PAGED(a_task_without_a_sensor_says_so),
        PAGED(sensors_are_a_table_with_times_since_then),
        PAGED(a_narrow_terminal_gets_less_of_a_sensor_and_why_below_it),
        PAGED(a_device_is_told_by_its_name_for_the_ini),
        PAGED(settings_name_their_section_once),
        PAGED(a_table_shrinks_its_widest_column_on_a_terminal),
        cmocka_unit_test(spans_have_the_unit_a_person_expects),
        cmocka_unit_test(a_cursor_is_a_sequence_with_or_without_its_boot),
        PAGED(the_cursor_follows_and_the_summary_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
