//! The sheet that plots are drawn on: an SVG of our size, with a title, axes, lines, marks and names as text.
//!
//! plotters draws on whole pixels, so a sheet is drawn at twice its size and scaled by its `viewBox`. It has a light
//! ground of its own, which also stands on a dark page. Series differ in colour, dashes and marks together, the colours
//! are those of Okabe and Ito (2008, told apart by colour-blind people), and nothing is said by colour alone. plotters
//! escapes what goes into the SVG; characters that XML does not allow are taken out here.

use std::io;
use std::ops::Range;

use plotters::chart::{ChartBuilder, ChartContext, LabelAreaPosition};
use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::element::{Circle, DashedPathElement, PathElement, Polygon, Rectangle};
use plotters::prelude::{Cartesian2d, DrawingArea, DrawingAreaErrorKind, IntoDrawingArea, IntoFont, SVGBackend};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, FontStyle, FontTransform, RGBColor, ShapeStyle, TextStyle, WHITE};

use crate::error::{Error, Result};
use crate::report::numbers::tick;

/// The part of a sheet that is drawn on, in pixels of the sheet at twice its size.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
/// What plotters may say; writing into memory never does.
pub(super) type Fault = DrawingAreaErrorKind<io::Error>;
/// A point in pixels.
pub(super) type Pixel = (i32, i32);

/// How much larger than its stated size a sheet is drawn.
const SCALE: i32 = 2;
/// Families for Latin and Korean, whatever the reader has.
const FAMILY: &str =
    "system-ui, 'Noto Sans KR', 'Noto Sans CJK KR', 'Apple SD Gothic Neo', 'Malgun Gothic', sans-serif";
/// How much wider bold letters are.
const BOLD: f64 = 1.15;
/// plotters divides the size of a font by this.
const FONT_FACTOR: f64 = 1.24;

/// Text and axes.
pub(super) const INK: RGBColor = RGBColor(26, 26, 26);
/// What stands behind: subtitles, references.
pub(super) const GREY: RGBColor = RGBColor(90, 90, 90);
/// Lines of the grid.
pub(super) const GRID: RGBColor = RGBColor(226, 226, 226);
/// The first colour of the palette.
pub(super) const BLUE: RGBColor = RGBColor(0, 114, 178);

const PALETTE: [RGBColor; 6] = [
    BLUE,
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const DASHES: [Option<(i32, i32)>; 4] = [None, Some((16, 8)), Some((5, 6)), Some((26, 8))];

/// The shape of a mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
    Cross,
}

const MARKS: [Mark; 5] = [Mark::Circle, Mark::Square, Mark::Triangle, Mark::Diamond, Mark::Cross];

/// How a series is drawn.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub colour: RGBColor,
    dash: Option<(i32, i32)>,
    pub mark: Mark,
}

/// The look of the n-th series: no two of the first sixty are the same.
pub(super) fn look(at: usize) -> Look {
    Look { colour: PALETTE[at % PALETTE.len()], dash: DASHES[at % DASHES.len()], mark: MARKS[at % MARKS.len()] }
}

/// A dashed grey line: chance, perfect calibration.
pub(super) const REFERENCE: Look = Look { colour: GREY, dash: Some((8, 8)), mark: Mark::Cross };

/// A solid dark line: a mean, zero.
pub(super) const SOLID: Look = Look { colour: INK, dash: None, mark: Mark::Circle };

/// What stands above a plot.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sheet<'t> {
    pub title: &'t str,
    /// Rows, interval, what is drawn.
    pub subtitle: &'t str,
    /// Width and height as it is shown.
    pub size: (i32, i32),
}

/// The size of most plots.
pub(super) const SIZE: (i32, i32) = (640, 420);
/// Where the title ends, in shown pixels.
pub(super) const HEAD: i32 = 50;
/// The free edge of a sheet, in shown pixels.
pub(super) const EDGE: i32 = 14;

/// A count as a number of pixels is reckoned with.
pub(super) fn int(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Shown pixels as pixels of the sheet.
pub(super) fn px(shown: i32) -> i32 {
    shown * SCALE
}

/// Draws a sheet; the whole of it is given to `paint`.
///
/// # Errors
/// `Failed` when plotters does.
pub(super) fn drawn(sheet: &Sheet<'_>, paint: impl FnOnce(&Area<'_>) -> Result<(), Fault>) -> Result<String> {
    let (width, height) = sheet.size;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (px(width).unsigned_abs(), px(height).unsigned_abs()))
            .into_drawing_area();
        let paint = || {
            area.fill(&WHITE)?;
            let room = px(width - 2 * EDGE);
            let style = Style { size: 15.0, colour: INK, weight: FontStyle::Bold };
            text(&area, (px(EDGE), px(10)), &fitted(sheet.title, 15.0 * BOLD, room), style, LEFT_TOP)?;
            let style = Style { size: 11.5, colour: GREY, weight: FontStyle::Normal };
            text(&area, (px(EDGE), px(30)), &fitted(sheet.subtitle, 11.5, room), style, LEFT_TOP)?;
            paint(&area)?;
            area.present()
        };
        paint().map_err(|fault| Error::failed("cannot draw a plot").caused_by(fault.to_string()))?;
    }
    let body = svg.split_once('\n').map_or("", |(_, body)| body);
    Ok(format!(
        "<svg width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {} {}\" xmlns=\"http://www.w3.org/2000/svg\" \
         role=\"img\">\n<title>{}</title>\n<desc>drawn by mlops</desc>\n{body}",
        px(width),
        px(height),
        crate::report::html::escaped(&clean(sheet.title)),
    ))
}

/// How text looks: its size in shown pixels.
#[derive(Clone, Copy)]
pub(super) struct Style {
    pub size: f64,
    pub colour: RGBColor,
    pub weight: FontStyle,
}

/// Plain dark text of this size.
pub(super) fn plain(size: f64) -> Style {
    Style { size, colour: INK, weight: FontStyle::Normal }
}

/// The place of a text's anchor.
pub(super) const LEFT_TOP: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Top };
/// The anchor at the left, in the middle of the line.
pub(super) const LEFT: Pos = Pos { h_pos: HPos::Left, v_pos: VPos::Center };
/// The anchor at the right.
pub(super) const RIGHT: Pos = Pos { h_pos: HPos::Right, v_pos: VPos::Center };
/// The anchor in the middle.
pub(super) const MIDDLE: Pos = Pos { h_pos: HPos::Center, v_pos: VPos::Center };

fn type_of(style: Style, pos: Pos) -> TextStyle<'static> {
    let font = (FAMILY, style.size * f64::from(SCALE) * FONT_FACTOR).into_font().style(style.weight);
    TextStyle { font, color: style.colour.to_backend_color(), pos }
}

/// Writes a text.
pub(super) fn text(area: &Area<'_>, at: Pixel, text: &str, style: Style, pos: Pos) -> Result<(), Fault> {
    area.draw_text(&clean(text), &type_of(style, pos), at)
}

/// Writes a text that reads upward.
pub(super) fn upright(area: &Area<'_>, at: Pixel, text: &str, style: Style, pos: Pos) -> Result<(), Fault> {
    let mut turned = type_of(style, pos);
    turned.font = turned.font.transform(FontTransform::Rotate270);
    area.draw_text(&clean(text), &turned, at)
}

/// The text in one line, without characters that XML does not allow or that turn the reading direction.
fn clean(text: &str) -> String {
    let odd = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}')
    };
    text.chars().map(|letter| if odd(letter) { ' ' } else { letter }).collect()
}

/// About how wide a text is, in pixels of the sheet: letters of East Asia are as wide as they are high.
pub(super) fn width_of(text: &str, size: f64) -> i32 {
    let em = |letter: char| match letter {
        'i' | 'l' | 'j' | '.' | ',' | ' ' | '|' | '\'' => 0.30,
        'm' | 'w' | 'M' | 'W' => 0.88,
        'A'..='Z' => 0.68,
        '\0'..='\u{2fff}' => 0.57,
        _ => 1.0,
    };
    (text.chars().map(em).sum::<f64>() * size * f64::from(SCALE)).ceil() as i32
}

/// The text, cut with `…` where it is wider than the room (in pixels of the sheet).
pub(super) fn fitted(text: &str, size: f64, room: i32) -> String {
    let text = clean(text);
    if width_of(&text, size) <= room {
        return text;
    }
    let room = room - width_of("…", size);
    let mut cut = String::new();
    for letter in text.chars() {
        cut.push(letter);
        if width_of(&cut, size) > room {
            cut.pop();
            break;
        }
    }
    cut.trim_end().to_owned() + "…"
}

/// Which axes have numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ticks {
    Both,
    /// The level axis only: along the upright one the caller writes names.
    Level,
}

/// The two axes of a plane.
#[derive(Debug, Clone)]
pub(super) struct Axes<'t> {
    pub x: Range<f64>,
    pub y: Range<f64>,
    pub x_name: &'t str,
    pub y_name: &'t str,
    pub ticks: Ticks,
}

/// The axes of two rates, 0…1.
pub(super) fn unit<'t>(x_name: &'t str, y_name: &'t str) -> Axes<'t> {
    Axes { x: 0.0..1.0, y: 0.0..1.0, x_name, y_name, ticks: Ticks::Both }
}

/// A plane with drawn axes.
pub(super) struct Plane<'a> {
    root: Area<'a>,
    chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>,
}

/// Draws axes with a grid into a part of the sheet: its upper left corner and its size, in shown pixels.
pub(super) fn plane<'a>(
    root: &Area<'a>,
    corner: (i32, i32),
    size: (i32, i32),
    axes: &Axes<'_>,
) -> Result<Plane<'a>, Fault> {
    let area = root.clone().shrink((px(corner.0), px(corner.1)), (px(size.0), px(size.1)));
    let left = match axes.ticks {
        Ticks::Level => 0,
        Ticks::Both if axes.y_name.is_empty() => 44,
        Ticks::Both => 58,
    };
    let foot = if axes.x_name.is_empty() { 22 } else { 40 };
    let mut chart = ChartBuilder::on(&area)
        .margin_top(px(6))
        .margin_right(px(8))
        .set_label_area_size(LabelAreaPosition::Left, px(left))
        .set_label_area_size(LabelAreaPosition::Bottom, px(foot))
        .build_cartesian_2d(axes.x.clone(), axes.y.clone())?;
    let (x_span, y_span) = (axes.x.end - axes.x.start, axes.y.end - axes.y.start);
    let mut mesh = chart.configure_mesh();
    if axes.ticks == Ticks::Level {
        mesh.disable_y_mesh().disable_y_axis();
    }
    mesh.light_line_style(WHITE.mix(0.0))
        .bold_line_style(ShapeStyle::from(&GRID).stroke_width(2))
        .axis_style(ShapeStyle::from(&GREY).stroke_width(2))
        .label_style(type_of(plain(11.0), Pos::default()))
        .axis_desc_style(type_of(plain(12.0), Pos::default()))
        .x_labels((size.0 / 55).max(3) as usize)
        .y_labels((size.1 / 45).max(3) as usize)
        .x_desc(axes.x_name)
        .y_desc(axes.y_name)
        .x_label_formatter(&|number| tick(*number, x_span))
        .y_label_formatter(&|number| tick(*number, y_span))
        .draw()?;
    Ok(Plane { root: root.clone(), chart })
}

impl<'a> Plane<'a> {
    /// The whole sheet.
    pub fn root(&self) -> &Area<'a> {
        &self.root
    }

    /// Where a point lies on the sheet.
    pub fn at(&self, point: (f64, f64)) -> Pixel {
        self.chart.backend_coord(&point)
    }

    /// Draws a line through points; points that are not finite are left out.
    pub fn line(&self, points: &[(f64, f64)], look: &Look) -> Result<(), Fault> {
        let finite = points.iter().filter(|(x, y)| x.is_finite() && y.is_finite());
        let mut pixels: Vec<Pixel> = finite.map(|point| self.at(*point)).collect();
        pixels.dedup();
        line(&self.root, &pixels, look)
    }
}

/// Draws a line through pixels.
pub(super) fn line(area: &Area<'_>, pixels: &[Pixel], look: &Look) -> Result<(), Fault> {
    let style = ShapeStyle::from(&look.colour).stroke_width(4);
    if pixels.len() < 2 {
        return Ok(());
    }
    match look.dash {
        None => area.draw(&PathElement::new(pixels.to_vec(), style)),
        Some((dash, gap)) => area.draw(&DashedPathElement::new(pixels.iter().copied(), dash, gap, style)),
    }
}

/// Draws a mark of 5 shown pixels around a place.
pub(super) fn mark(area: &Area<'_>, (x, y): Pixel, look: &Look) -> Result<(), Fault> {
    let style = look.colour.filled();
    let r = 8;
    match look.mark {
        Mark::Circle => area.draw(&Circle::new((x, y), r, style)),
        Mark::Square => area.draw(&Rectangle::new([(x - 7, y - 7), (x + 7, y + 7)], style)),
        Mark::Triangle => area.draw(&Polygon::new(vec![(x, y - 10), (x + 9, y + 7), (x - 9, y + 7)], style)),
        Mark::Diamond => area.draw(&Polygon::new(vec![(x, y - 10), (x + 10, y), (x, y + 10), (x - 10, y)], style)),
        Mark::Cross => {
            let stroke = ShapeStyle::from(&look.colour).stroke_width(4);
            area.draw(&PathElement::new(vec![(x - 7, y - 7), (x + 7, y + 7)], stroke))?;
            area.draw(&PathElement::new(vec![(x - 7, y + 7), (x + 7, y - 7)], stroke))
        }
    }
}

/// Draws an interval as a whisker with caps, from one pixel to another: level or upright.
pub(super) fn whisker(area: &Area<'_>, from: Pixel, to: Pixel, colour: RGBColor) -> Result<(), Fault> {
    let stroke = ShapeStyle::from(&colour).stroke_width(3);
    let (across, along) = if from.1 == to.1 { (0, 8) } else { (8, 0) };
    area.draw(&PathElement::new(vec![from, to], stroke))?;
    for (x, y) in [from, to] {
        area.draw(&PathElement::new(vec![(x - across, y - along), (x + across, y + along)], stroke))?;
    }
    Ok(())
}

/// Draws a filled box.
pub(super) fn filled(area: &Area<'_>, from: Pixel, to: Pixel, colour: &impl Color) -> Result<(), Fault> {
    area.draw(&Rectangle::new([from, to], colour.filled()))
}

/// Writes a legend downward from a corner (in shown pixels), each name with its line and mark; names are cut to `room`.
pub(super) fn legend(area: &Area<'_>, corner: (i32, i32), room: i32, names: &[(String, Look)]) -> Result<(), Fault> {
    for (row, (name, look)) in names.iter().enumerate() {
        let y = px(corner.1 + 10 + 20 * int(row));
        line(area, &[(px(corner.0), y), (px(corner.0 + 30), y)], look)?;
        mark(area, (px(corner.0 + 15), y), look)?;
        text(area, (px(corner.0 + 38), y), &fitted(name, 11.5, px(room - 38)), plain(11.5), LEFT)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_cut_to_their_room() {
        assert_eq!(fitted("short", 11.5, px(100)), "short");
        let cut = fitted("한국어로 된 아주 긴 모델 이름", 11.5, px(80));
        assert!(cut.ends_with('…') && width_of(&cut, 11.5) <= px(80), "{cut}");
        assert_eq!(clean("a\u{0}b\u{202e}c\nd"), "a b c d");
    }

    #[test]
    fn no_two_series_look_alike() {
        let seen: std::collections::BTreeSet<String> = (0..60).map(|at| format!("{:?}", look(at))).collect();
        assert_eq!(seen.len(), 60);
    }
}
