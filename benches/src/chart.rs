//! Bar charts as SVG, readable on a light and on a dark page.

use std::fmt::{self, Display, Write};

/// Bars in groups, all on one scale.
#[derive(Clone, Debug)]
pub struct Chart {
    pub title: String,
    pub note: String,
    pub groups: Vec<Group>,
}

#[derive(Clone, Debug)]
pub struct Group {
    pub name: String,
    pub bars: Vec<Bar>,
}

#[derive(Clone, Debug)]
pub struct Bar {
    pub name: String,
    pub length: f64,
    /// What is written behind it.
    pub label: String,
    /// Whether it stands for this crate.
    pub is_ours: bool,
}

const WIDTH: u32 = 760;
const MARGIN: u32 = 20;
const NAMES: u32 = 150;
const LABELS: u32 = 230;
const ROW: u32 = 24;
const STYLE: &str = "\
    text { font: 13px system-ui, sans-serif; fill: #1f2328 }\n\
    .title { font-size: 16px; font-weight: 600 } .note, .group { fill: #59636e }\n\
    .page { fill: #ffffff; stroke: #d1d9e0 } .other { fill: #b3bcc7 } .ours { fill: #2f6fde }\n\
    @media (prefers-color-scheme: dark) {\n\
    text { fill: #e6edf3 } .note, .group { fill: #9198a1 }\n\
    .page { fill: #0d1117; stroke: #3d444d } .other { fill: #59636e } .ours { fill: #6ea8ff } }";

impl Display for Chart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = self.groups.iter().flat_map(|group| &group.bars).map(|bar| bar.length).fold(0.0, f64::max);
        let scale = f64::from(WIDTH - 2 * MARGIN - NAMES - LABELS) / longest;
        let mut rows = String::new();
        let mut y = MARGIN + 3 * ROW;
        for group in &self.groups {
            text(&mut rows, "group", MARGIN, y, &group.name)?;
            for bar in &group.bars {
                y += ROW;
                let (left, length) = (MARGIN + NAMES, bar.length * scale);
                let class = if bar.is_ours { "ours" } else { "other" };
                text(&mut rows, "", MARGIN + 10, y, &bar.name)?;
                let top = y - 13;
                writeln!(
                    rows,
                    r#"<rect class="{class}" x="{left}" y="{top}" width="{length:.1}" height="17" rx="2"/>"#
                )?;
                text(&mut rows, "", left + length as u32 + 8, y, &bar.label)?;
            }
            y += ROW + ROW / 2;
        }
        let height = y - ROW / 2;
        writeln!(
            f,
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" role="img">"#
        )?;
        writeln!(f, "<title>{}</title>\n<style>\n{STYLE}\n</style>", escape(&self.title))?;
        let (width, inner) = (WIDTH - 1, height - 1);
        writeln!(f, r#"<rect class="page" x="0.5" y="0.5" width="{width}" height="{inner}" rx="6"/>"#)?;
        let mut head = String::new();
        text(&mut head, "title", MARGIN, MARGIN + 12, &self.title)?;
        text(&mut head, "note", MARGIN, MARGIN + 12 + ROW, &self.note)?;
        writeln!(f, "{head}{rows}</svg>")
    }
}

fn text(svg: &mut String, class: &str, x: u32, y: u32, text: &str) -> fmt::Result {
    writeln!(svg, r#"<text class="{class}" x="{x}" y="{y}">{}</text>"#, escape(text))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
