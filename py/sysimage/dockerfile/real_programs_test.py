"""Each word compared with the real program: same files, modes, links and contents, same lines that fail.

The real ones run in a scratch directory as whoever runs the tests; owners are left
to the table tests, as is what only root may do.
"""

from pathlib import Path

import pytest

from sysimage.dockerfile.parser import Instruction
from sysimage.dockerfile.run import run
from sysimage.dockerfile.testing import machine, read_tree, run_for_real, small_tree, snapshot, write_tree
from sysimage.errors import UserError

RM = """\
rm a
rm a x
rm missing
rm -f missing a
rm -f
rm
rm d
rm -d e
rm -d d
rm -r d
rm -rf d e missing
rm link
rm dlink
rm -r dlink
rm -r dlink/
rm a/
rm -f a/
rm dang
rm h1
rm -rf ./d
rm -r d/.
rm -rf *
rm -rf .h*
rm -r d/*
rm -r ?
rm [ax]
rm [!a]
rmdir e
rmdir d
rmdir e/
rmdir a
rmdir missing
mkdir -p p/q && rmdir -p p/q
"""

MKDIR = """\
mkdir new
mkdir new/
mkdir e
mkdir -p e
mkdir -p e/f/g
mkdir p/q
mkdir -p a
mkdir -p a/b
mkdir -p d/../e/z
mkdir -m 0700 m
mkdir -m 700 -p m/n
mkdir -m u=rwx,go= m
mkdir -m a-w m
mkdir -m 1777 m
mkdir -m +t m
mkdir -pm 0750 m/n/o
mkdir --mode=0711 --parents m/n
mkdir dlink/new
mkdir -p dlink
mkdir dlink
mkdir dang
mkdir -p dang
mkdir g/new
mkdir -p g/new/er
mkdir -m 0755 g/new
mkdir -m 00755 g/new
mkdir -m u=rwx,go=rx g/new
umask 077 && mkdir -p u/v && mkdir -m 755 w
mkdir one two one
mkdir -- -dash
mkdir "with space" 'an*d'
"""

TOUCH_CHMOD = """\
touch new
touch a new
touch -c missing
touch missing/x
touch e
touch dang
touch -h dang
umask 027 && touch u
chmod 600 a
chmod 4711 x
chmod 0 a
chmod 00644 s
chmod 644 s
chmod u+s a
chmod u-s s
chmod +x a
chmod -x x
chmod a+x a
chmod go-rwx x
chmod u=rwx,g=rx,o= a
chmod g=u x
chmod o=g x
chmod u+x,g+w,o-r a
chmod +w r
chmod -w a
chmod =r a
chmod a=r x
chmod ugo+X a x
chmod -R u=rwX,go=rX d
chmod -R go-rwx d
chmod -R 755 d
chmod u+X d
chmod 755 g
chmod 0755 g
chmod 00755 g
chmod g-s g
chmod u=rwx,go=rx g
chmod =rx g
chmod a=rx g
chmod a=rx t
chmod =rx t
chmod o=rx t
chmod 755 t
chmod +t e
chmod -t t
chmod o+t e
chmod u+t e
chmod a+t e
chmod +s x
chmod g+s x
chmod o+s x
chmod ug=s a
chmod g=s,u+x a
chmod u+rw-x x
chmod link 600
chmod 600 link
chmod 600 dang
chmod 600 missing
chmod 600
chmod 999 a
chmod u+q a
chmod -R 700 dlink
chmod 700 dlink
umask 077 && chmod +rwx a
"""

CP = """\
cp a b
cp a x
cp x a
cp x new
cp s new
cp r new
cp r r
cp a a
cp a e
cp a e/
cp a missing/
cp a missing/b
cp a x e
cp a x missing
cp a d/f
cp missing b
cp d new
cp -r d new
cp -r d e
cp -r d/ new
cp -r d/. e
cp -r d/. new
cp -r . new
cp -r d d
cp -r d d/sub
cp -r d/sub e
cp -r d a
cp a link
cp -r a dlink
cp a dlink
cp a dang
cp link b
cp -P link b
cp -d link b
cp -r link b
cp -rL link b
cp dlink b
cp -r dlink b
cp -rL dlink b
cp -P dang b
cp dang b
cp -P link x
cp -P link e
cp -a d new
cp -a d e
cp -a h1 h2 e
cp -r h1 h2 e
cp -a . e
cp -p x new
cp -p s new
cp -p x a
cp -a s new
cp -a t new
cp -r t new
cp -r g new
cp -a g new
cp -r d/sub new
cp -p r a
cp -n a x
cp -n a new
cp -T a b
cp -T a e
cp -rT d e
cp -rT d new
cp -t e a x
cp -t missing a
cp -t a x
cp --preserve=mode s new
cp --preserve=links h1 h2 e
cp a h1
cp h1 h2
cp -r d g
cp a g
cp a g/new
umask 077 && cp x new && cp -r d new2
cp -a d/sub/. e
cp -r d/* e
cp -r e d t new
mkdir f && cp -r d f && cp -r d f
cp -a dlink new
cp -r e/ d/
cp
cp a
cp ./a ./b
cp d/../a d/../b
cp -r d/up e
cp -a link x
cp d a
cp -r d link
cp -r d dang
cp -r e new/
cp -r e new/new
"""

MV = """\
mv a b
mv a x
mv a e
mv a e/
mv a e/b
mv a missing/b
mv a missing/
mv d new
mv d new/
mv d e
mv e d
mkdir -p f/d && mv d f
mkdir -p f/d/full && mv d f
mv d d/sub
mv d a
mv a d
mv -T a d
mv -T e d
mv -T d e
mv a x e
mv a x missing
mv link b
mv dlink b
mv dang b
mv a link
mv a dlink
mv -T a dlink
mv h1 h2
mv a a
mv -n a x
mv -t e a x
mv missing b
mv d/sub .
mv d/f d/g
mv dlink/f .
mv e dlink
mv d/ new
mv a/ b
"""

INSTALL = """\
install a b
install -m 0644 a b
install -m 644 x a
install -m u=rw,go=r a b
install -m 4755 a b
install a x e
install a missing/b
install -D a missing/b
install -D -m 600 a p/q/b
install -Dt p/q a x
install -t e a
install -d new
install -d new/er/est
install -d -m 0700 new/er
install -d -m 1777 e
install -d e
install -d g
install -d -m 755 g
install -d -m 0755 g/new
install -d a
install -d a/b
install -dm 711 one two
install a h1
install a link
install a dang
install a d
install d new
install missing b
install a a
install -T a e
install -m 0444 /dev/null new
install -m 999 a b
install -d dlink/new
umask 077 && install -D a p/q && install -d u/v && install -m 755 x w
install a
install
install -m a+rx a b
install -m +x a b
"""

LN = """\
ln -s a new
ln -s a x
ln -sf a x
ln -sf a link
ln -s missing new
ln -s a e
ln -s ../a e
ln -s ../a e/
ln -sf a dlink
ln -sfn e dlink
ln -snf e dlink
ln -sfT e dlink
ln -sf e dlink
ln -sfT a d
ln -sf a d
ln a b
ln a x
ln -f a x
ln d new
ln link new
ln -L link new
ln missing new
ln a e
ln a d x
ln a x e
ln -s a x e
ln -s a missing/b
ln -t e a x
ln -st e a x
ln -s /a/b/c
ln -s d/f
ln -sr d/sub/g e/new
ln -sr a new
ln -sr a d/sub/new
ln -srf link new
ln -sr e d/new
ln -s '' new
ln -sf h1 h2
ln -f h1 h2
ln -sn a dlink
ln -sf a dang
ln -s a dang
ln -sv a new
ln
"""

OUTPUT = r"""
echo hello > new
echo hello > a
echo hello >> a
echo hello >> new
echo -n hello > new
echo a b   c > new
echo "a  b" > new
echo 'x\ty\nz' > new
echo 'x\\ty\0101\a' > new
echo 'stop\chere' > new
echo -n -n > new
echo > link
echo hi > dang
echo hi > d
echo hi > missing/x
echo hi > d/new
> new
: > a
: > new
echo hi>new
>new echo hi
echo one two > new three
echo 1>new
echo 2> new
echo a2>new
echo hi >/dev/null
echo hi > new 2>&1
echo hi > one > two
cat a > new
cat a x > new
cat a - < x > new
cat < a > new
cat < missing
cat missing > new
cat d
cat noeol noeol > new
echo hi | cat > new
echo hi | tee new
echo hi | tee new a > two
echo hi | tee -a a new
echo hi | tee d
printf 'a\n' > new
printf '%s\n' one two three > new
printf '%s=%s\n' a 1 b > new
printf '%d|%5d|%-5d|%05d\n' 7 42 42 42 > new
printf '%x %X %o\n' 255 255 8 > new
printf '%%|%c|%s' abc def > new
printf '%b' 'x\ty\n' > new
printf 'no newline' > new
printf '\101\x' > new
printf '%5s|%-5s|%.2s\n' ab ab abcdef > new
printf 'a\\n"b"\n' > new
printf '%s' > new
printf '%d\n' nine > new
printf '%i %u\n' -1 3 > new
printf > new
"""

SHELL = r"""
A=1; echo $A > new
A=1 && echo "$A" '$A' > new
A='x y'; echo $A > new
A='x   y'; echo $A "$A" > new
A=; echo ${A:-unset} ${A-empty} ${A:+plus} > new
echo ${B:-default} ${B-other} > new
A='a x'; cat $A > new
A=a; cat $A$A > new
A=' a '; echo x${A}y > new
A='*'; echo $A > new
A='*'; echo "$A" > new
echo * > new
echo '*' \* "*" > new
echo ?? > new
echo d/* > new
echo d/*/* > new
echo */ > new
echo .h* > new
echo no*match > new
echo "sp"* > new
echo [a-d] [!a-d] > new
echo [[:lower:]] > new
echo "[a]" > new
echo d/s*b/g dlink/* > new
echo h[12] > new
echo sp\ ace "sp ace" > new
echo $(cat a) > new
echo "$(cat a)" > new
echo $(sed 's/o/0/' a) > new
cat $(echo a x) > new
cd d && echo here > new
cd d; cd ..; echo top > new
cd missing
cd a
echo one && echo two > new; echo three >> new
echo a;
echo a # a comment
echo a#b > new
umask 077; echo x > new
true && : && echo x > new
set -e; echo x > new
set -eux && echo x > new
export A=1 B; echo $A > new
A=1 B=2; echo $A$B > new
echo "a\"b\\c\$d" > new
echo 'it'"'"'s' > new
echo a""b '' "" > new
test -e a
test -e missing
test -f d
test -d d && test -x x
test ! -e missing
test -L link && [ -s a ]
[ -x a ]
[ a = a ] && [ a != b ]
test a = b
test -n x && test -z ''
/bin/echo x && /usr/bin/touch new
cat a | sed 2d | tee new > two
printf "%s\n" "a b" > "sp ace"
cp "sp ace" new && rm sp\ ace
echo a>d/new;cat d/new>>a
"""

SED = r"""
sed -i s/one/1/ a
sed -i 's/o/0/g' a
sed -i 's/o/0/2' a
sed -i 's/e/E/2g' a
sed -i 's/\(t\)\(.\)/\2\1/' a
sed -i -E 's/(t)(.)/\2\1/' a
sed -i 's/.*/<&>/' a
sed -i 's/^/# /' a
sed -i 's/$/;/' a
sed -i 's|one|a/b|' a
sed -i 's/o\/n/x/' a
sed -i 's,one,x\,y,' a
sed -i 's/ONE/x/I' a
sed -i 2d a
sed -i '$d' a
sed -i '2,3d' a
sed -i '2,$d' a
sed -i '/two/d' a
sed -i '/two/,$d' a
sed -i '/one/,/two/d' a
sed -i '/two/!d' a
sed -i '2!d' a
sed -i '1~2d' a
sed -i '2,+1d' a
sed -i '0,/one/d' a
sed -i '1,/one/d' a
sed -i '2,1d' a
sed -i '\|two|d' a
sed -i '2a added' a
sed -i '2i inserted' a
sed -i '2c changed' a
sed -i '1,2c changed' a
sed -i '$a last' a
sed -i '$a last' noeol
sed -i '1i first' noeol
sed -i 's/last/LAST/' noeol
sed -i '$d' noeol
sed -i '/two/a\    indented' a
sed -i '2a\
text' a
sed -i -e 1d -e '$d' a
sed -i '1d;$d' a
sed -i '/two/{s/t/T/;s/o/O/}' a
sed -i '/one/{d}' a
sed -n 2p a > new
sed -n '/t/p' a > new
sed -n 's/o/0/p' a > new
sed = a > new
sed 1q a > new
sed -n '$=' a > new
sed 'y/abc/xyz/' a > new
sed 's/[aeiou]/(&)/g' a > new
sed 's/[^a-m]//g' a > new
sed 's/[[:alpha:]]\{2\}/X/' a > new
sed -E 's/[a-z]{2,3}/X/' a > new
sed -E 's/(on|tw)(e|o)/\2\1/' a > new
sed 's/o*/x/g' a > new
sed 's/x*/-/g' a > new
sed 's/b*$/!/' a > new
sed 's/t\?w/X/' a > new
sed 's/o\+/X/' a > new
sed 's/one\|two/X/' a > new
sed 's/\<t/T/;s/e\>/E/' a > new
sed 's/\bt/T/' a > new
sed 's/\w/X/2' a > new
sed 's/e/\n/' a > new
sed 's/e/\t/' a > new
sed 's/e/\\/' a > new
sed 's/e/\&/' a > new
sed 's/a*\(b\)*/[\1]/' a > new
sed 's/*/x/' a > new
sed 's/\(*\)/x/' a > new
sed 's/a^b$c/x/' a > new
sed -E 's/a\.b/x/' a > new
sed 's/[]]/x/' a > new
sed 's/[/]/x/' a > new
sed 's/#.*//' a > new
sed -e 's/a/b/' a noeol x > new
sed -s -n '$p' a noeol > new
sed '$!d' a noeol > new
sed -i s/hard/soft/ h1
sed -i s/one/1/ link
sed -i s/readonly/rw/ r
sed -i s/a/b/ missing
sed -i s/a/b/ d
sed -i 's/a/b' a
sed -i 's/(/x/' a
sed -i -E 's/(/x/' a
sed 's/\(.\)\1/<\1>/' a > new
sed -i '' a
sed 's/one/two/;t' missing
sed 'N' missing
sed '/o/I!d' a > new
sed '2{/x/d}' a > new
sed 's/.\{4\}/X/' a > new
sed -E 's/^(#)?(.*)$/\2/' a > new
sed -i '/^$/d' a
sed -i '2s/t/T/' a
sed '/one/,+1s/^/#/' a > new
sed '1!{$!d}' a > new
sed 'a\' missing
sed '/two/i\  x\ty' a > new
sed p a > new
sed 'p;p' noeol > new
sed -n 'p;p' noeol > new
sed '$p' noeol > new
sed '1,2{=;d}' a > new
sed 'a x\ny' a > new
sed '1i\\  keep' a > new
sed 's/o/[&]/3' a > new
sed '3,1p' a > new
sed '/one/,/one/d' a > new
sed '/one/,1d' a > new
sed -E 's/(one|oneself)/X/' a > new
sed -E 's/(a*)+/X/' a > new
sed -E 's/o|n|e/X/g' a > new
sed -E '/^(one|two)$/d' a > new
sed -E 's/^#?(one) ?.*/\1 22/' a > new
sed -E 's/o{0}n/X/' a > new
"""

# Lines that a backslash-newline goes on.
LINES = [
    line
    for block in (RM, MKDIR, TOUCH_CHMOD, CP, MV, INSTALL, LN, OUTPUT, SHELL, SED)
    for line in block.replace("\\\n", "\0").splitlines()
    if line
]


@pytest.mark.parametrize("line", LINES)
def test_same_as_real(tmp_path: Path, line: str) -> None:
    line = line.replace("\0", "\\\n")
    write_tree(small_tree(), tmp_path)
    assert read_tree(tmp_path) == snapshot(small_tree())
    status = run_for_real(tmp_path, "set -e\n" + line)
    tree = small_tree()
    try:
        run(machine(tree), Instruction("Dockerfile", "RUN", {}, line, [0], [1]))
    except UserError as error:
        assert status != 0, str(error)
        return
    assert status == 0
    assert snapshot(tree) == read_tree(tmp_path)
